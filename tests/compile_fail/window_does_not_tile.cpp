// SPDX-License-Identifier: BSL-1.0
// AlexNet's first convolution on 224 pixels, a mistake that many copied: the paper says 224, but only 227 tiles.
#include <strata/network.hpp>
using namespace strata;

// expect-error: with Exact, the windows must read all
// expect-error: window_does_not_tile<.*at_layer<1>.*Conv<11, 96.*expected<224(LL)?>.*got<223(LL)?>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<224, 224, 3>, Conv<11, 96, Stride<4>, Valid, Exact>, MaxPool<3, 2>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<227, 227, 3>, Conv<11, 96, Stride<4>, Valid, Exact>, MaxPool<3, 2>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 5 && Net::parameters > 0);
