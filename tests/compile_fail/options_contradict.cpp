// SPDX-License-Identifier: BSL-1.0
// Two paddings.
#include <strata/network.hpp>
using namespace strata;

// expect-error: two options of this layer set the same thing
// expect-error: options_contradict<.*at_layer<1>.*Conv<3, 16.*Same.*Valid
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16, Same, Valid>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16, Same>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 4 && Net::shapes.back() == Net::output);
static_assert(Net::parameters == (3 * 3 * 3 + 1) * 16 + (8 * 8 * 16 + 1) * 10);
static_assert(Net::training_bytes(128) > 0);
