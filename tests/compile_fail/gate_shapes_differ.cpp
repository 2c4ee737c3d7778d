// SPDX-License-Identifier: BSL-1.0
// The gate of 16 channels has 8 numbers.
#include <strata/network.hpp>
using namespace strata;

// expect-error: must give its input's shape, or one number per channel
// expect-error: gate_shapes_differ<.*at_layer<4>.*Gate<.*expected_shape<8, 8, 16>.*got_shape<8>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, Gate<GlobalAvgPool, Dense<8>>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, Gate<GlobalAvgPool, Dense<16>>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 7 && Net::shapes.back() == Net::output);
static_assert(Net::parameters > (3 * 3 * 3 + 1) * 16 + (8 * 8 * 16 + 1) * 10);
static_assert(Net::training_bytes(128) > 0);
