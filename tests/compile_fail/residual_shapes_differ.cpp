// SPDX-License-Identifier: BSL-1.0
// The branch halves the map and doubles the channels; the input is added as it is.
#include <strata/network.hpp>
using namespace strata;

// expect-error: Residual adds two different shapes
// expect-error: residual_shapes_differ<.*at_layer<4>.*Residual<.*expected_shape<4, 4, 32>.*got_shape<8, 8, 16>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, Residual<Conv<3, 32, Stride<2>>, Conv<3, 32>>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>,
                       Residual<Conv<3, 32, Stride<2>>, Conv<3, 32>, Shortcut<Conv<1, 32, Stride<2>>>>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers >= 7 && Net::shapes[4] == Shape{4, 4, 32});
static_assert(Net::parameters > 0);
