// SPDX-License-Identifier: BSL-1.0
// The Shortcut comes before the other layers of its Residual.
#include <strata/network.hpp>
using namespace strata;

// expect-error: a Shortcut is the last layer of a Residual
// expect-error: shortcut_misplaced<.*at_layer<1>.*Shortcut<.*Conv<1, 16
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Residual<Shortcut<Conv<1, 16>>, Conv<3, 16>>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, Residual<Conv<3, 16>, Shortcut<Conv<1, 16>>>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 6 && Net::shapes.back() == Net::output);
static_assert(Net::parameters > 0);
static_assert(Net::training_bytes(128) > 0);
