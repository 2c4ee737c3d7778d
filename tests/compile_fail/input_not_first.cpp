// SPDX-License-Identifier: BSL-1.0
// Input in the middle.
#include <strata/network.hpp>
using namespace strata;

// expect-error: Input is not the first layer
// expect-error: input_not_first<.*at_layer<1>.*Input<8, 8, 3>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<ReLU, Input<8, 8, 3>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, ReLU, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 4 && Net::shapes.back() == Net::output);
static_assert(Net::parameters == (8 * 8 * 3 + 1) * 10);
static_assert(Net::training_bytes(128) > 0);
