// SPDX-License-Identifier: BSL-1.0
// One branch halves the map, the other does not.
#include <strata/network.hpp>
using namespace strata;

// expect-error: Concat needs the same height and width in every branch
// expect-error: concat_shapes_differ<.*at_layer<3>.*Concat<.*expected_shape<8, 8, 16>.*got_shape<4, 4, 16>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Concat<Conv<1, 16>, Conv<3, 16, Stride<2>>>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, Concat<Conv<1, 16>, Conv<3, 16>>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 6 && Net::shapes.back() == Net::output);
static_assert(Net::parameters == (3 + 1) * 16 + (3 * 3 * 3 + 1) * 16 + (8 * 8 * 32 + 1) * 10);
static_assert(Net::training_bytes(128) > 0);
