// SPDX-License-Identifier: BSL-1.0
// A stride of 0.
#include <strata/network.hpp>
using namespace strata;

// expect-error: a size of this layer is zero or negative
// expect-error: not_positive<.*at_layer<2>.*Conv<3, 16.*parameter::stride.*got<0(LL)?>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, ReLU, Conv<3, 16, Stride<0>>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, ReLU, Conv<3, 16, Stride<1>>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 5 && Net::shapes.back() == Net::output);
static_assert(Net::parameters == (3 * 3 * 3 + 1) * 16 + (8 * 8 * 16 + 1) * 10);
static_assert(Net::training_bytes(128) > 0);
