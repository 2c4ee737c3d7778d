// SPDX-License-Identifier: BSL-1.0
// Three outputs, of which the padding would remove four.
#include <strata/network.hpp>
using namespace strata;

// expect-error: removes its whole output
// expect-error: padding_removes_output<.*at_layer<1>.*ConvTranspose<3, 16.*got<-1>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<1, 1, 3>, ConvTranspose<3, 16, Stride<2>, Pad<2>>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<1, 1, 3>, ConvTranspose<3, 16, Stride<2>, Pad<1>>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 4 && Net::shapes.back() == Net::output);
static_assert(Net::parameters == (3 * 3 * 3 * 16 + 16) + (16 + 1) * 10);
static_assert(Net::training_bytes(128) > 0);
