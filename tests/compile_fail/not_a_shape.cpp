// SPDX-License-Identifier: BSL-1.0
// Two numbers are neither a map nor a vector.
#include <strata/network.hpp>
using namespace strata;

// expect-error: a shape is three numbers, height, width and channels; Expect also takes one, n; each is at least 1
// expect-error: not_a_shape<.*at_layer<2>.*Expect<8, 8>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, Expect<8, 8>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, Expect<8, 8, 16>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 5 && Net::shapes.back() == Net::output);
static_assert(Net::parameters == (3 * 3 * 3 + 1) * 16 + (8 * 8 * 16 + 1) * 10);
static_assert(Net::training_bytes(128) > 0);
