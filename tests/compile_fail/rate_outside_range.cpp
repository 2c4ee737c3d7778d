// SPDX-License-Identifier: BSL-1.0
// A rate in percent.
#include <strata/network.hpp>
using namespace strata;

// expect-error: a dropout rate is the fraction dropped, in \[0, 1\)
// expect-error: rate_outside_range<.*at_layer<2>.*Dropout<50
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Flatten, Dropout<50>, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, Flatten, Dropout<0.5>, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 4 && Net::shapes.back() == Net::output);
static_assert(Net::parameters == (8 * 8 * 3 + 1) * 10);
static_assert(Net::training_bytes(128) > 0);
