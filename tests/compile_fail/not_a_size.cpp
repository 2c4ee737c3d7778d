// SPDX-License-Identifier: BSL-1.0
// A computed stride that is not an integer.
#include <strata/network.hpp>
using namespace strata;

// expect-error: a kernel, window or stride here is not a size
// expect-error: not_a_size<.*at_layer<1>.*MaxPool<3, .*1.5
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<9, 9, 3>, MaxPool<3, 3 / 2.0>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<9, 9, 3>, MaxPool<3, 3 / 2>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 4 && Net::shapes.back() == Net::output);
static_assert(Net::parameters > 0);
static_assert(Net::training_bytes(128) > 0);
