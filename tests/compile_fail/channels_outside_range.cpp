// SPDX-License-Identifier: BSL-1.0
// The halves of 116 channels are 58 each; the second has 2 more than there are.
#include <strata/network.hpp>
using namespace strata;

// expect-error: takes at least one channel, and only channels that its input has
// expect-error: channels_outside_range<.*Channels<58, 60>.*expected<116>.*got<118>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<28, 28, 3>, Conv<3, 116>, Concat<Channels<0, 58>, Sequential<Channels<58, 60>, Conv<1, 58>>>>;
#else
using Net = Sequential<Input<28, 28, 3>, Conv<3, 116>, Concat<Channels<0, 58>, Sequential<Channels<58, 58>, Conv<1, 58>>>>;
#endif
static_assert(Net::output == Shape{28, 28, 116});
static_assert(Net::layers == 6 && Net::shapes.back() == Net::output);
static_assert(Net::training_bytes(128) > 0);
