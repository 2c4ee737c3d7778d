// SPDX-License-Identifier: BSL-1.0
// A map goes straight into Dense.
#include <strata/network.hpp>
using namespace strata;

// expect-error: this layer needs a flat input and gets a map
// expect-error: needs_flat_input<.*at_layer<2>.*Dense<10.*got_shape<8, 8, 16>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers >= 3 && Net::shapes.back() == Net::output);
static_assert(Net::parameters == (3 * 3 * 3 + 1) * 16 + (8 * 8 * 16 + 1) * 10);
