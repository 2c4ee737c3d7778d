// SPDX-License-Identifier: BSL-1.0
// A padding of -1.
#include <strata/network.hpp>
using namespace strata;

// expect-error: the padding is negative
// expect-error: negative_padding<.*at_layer<1>.*Conv<3, 16.*got<-1(LL)?>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16, Pad<1, -1, 0, 1>>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16, Pad<1, 0, 0, 1>>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 4 && Net::shapes.back() == Net::output);
static_assert(Net::parameters == (3 * 3 * 3 + 1) * 16 + (7 * 7 * 16 + 1) * 10);
static_assert(Net::training_bytes(128) > 0);
