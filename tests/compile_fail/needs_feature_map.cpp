// SPDX-License-Identifier: BSL-1.0
// The convolution stands after Flatten.
#include <strata/network.hpp>
using namespace strata;

// expect-error: this layer needs a map and gets a flat vector
// expect-error: needs_feature_map<.*at_layer<2>.*Conv<3, 16.*got_shape<192>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Flatten, Conv<3, 16>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers >= 4 && Net::shapes.back() == Net::output);
static_assert(Net::parameters > 0 && Net::macs > 0);
