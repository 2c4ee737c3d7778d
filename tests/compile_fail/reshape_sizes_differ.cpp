// SPDX-License-Identifier: BSL-1.0
// A decoder starts with a vector of 7 x 7 x 32 elements, and means 8 x 8 x 32.
#include <strata/network.hpp>
using namespace strata;

// expect-error: Reshape keeps the number of elements
// expect-error: reshape_sizes_differ<.*at_layer<3>.*Reshape<8, 8, 32>.*expected_shape<8, 8, 32>.*got_shape<1568>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<1, 1, 10>, Conv<1, 1568>, Flatten, Reshape<8, 8, 32>, ConvTranspose<3, 1, Stride<2>>>;
#else
using Net = Sequential<Input<1, 1, 10>, Conv<1, 1568>, Flatten, Reshape<7, 7, 32>, ConvTranspose<3, 1, Stride<2>>>;
static_assert(Net::output == Shape{14, 14, 1});
#endif
static_assert(Net::layers == 5 && Net::shapes.back() == Net::output);
static_assert(Net::training_bytes(128) > 0);
