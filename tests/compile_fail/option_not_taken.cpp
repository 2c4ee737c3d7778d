// SPDX-License-Identifier: BSL-1.0
// A dense layer has no stride.
#include <strata/network.hpp>
using namespace strata;

// expect-error: this layer does not take one of its options
// expect-error: option_not_taken<.*at_layer<2>.*Dense<10.*Stride<2
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Flatten, Dense<10, Stride<2>>>;
#else
using Net = Sequential<Input<8, 8, 3>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 3 && Net::shapes.back() == Net::output);
static_assert(Net::parameters == (8 * 8 * 3 + 1) * 10);
static_assert(Net::training_bytes(128) > 0);
