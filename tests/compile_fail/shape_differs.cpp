// SPDX-License-Identifier: BSL-1.0
// The first pool is Same where Valid was meant. Everything after it has the right shape again; only a check in between
// finds the mistake.
#include <strata/network.hpp>
using namespace strata;

// expect-error: the shape here is not the one expected
// expect-error: shape_differs<.*at_layer<4>.*Expect<15, 15, 96>.*expected_shape<15, 15, 96>.*got_shape<16, 16, 96>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<32, 32, 3>, Conv<5, 96>, ReLU, MaxPool<3, 2, Same>, Expect<15, 15, 96>,
                       Conv<5, 256, Stride<2>>, MaxPool<3, 2>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<32, 32, 3>, Conv<5, 96>, ReLU, MaxPool<3, 2>, Expect<15, 15, 96>, Conv<5, 256, Stride<2>>,
                       MaxPool<3, 2>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 9 && Net::shapes.back() == Net::output);
static_assert(Net::parameters == (5 * 5 * 3 + 1) * 96 + (5 * 5 * 96 + 1) * 256 + (3 * 3 * 256 + 1) * 10);
static_assert(Net::training_bytes(128) > 0);
