// SPDX-License-Identifier: BSL-1.0
// A dense layer on a map of full size.
#include <strata/network.hpp>
using namespace strata;

// expect-error: has 2\^31 elements or more
// expect-error: size_overflows<.*at_layer<2>.*Dense<4096.*got<2466254848(LL)?>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<448, 448, 3>, Flatten, Dense<4096>, Dense<10>>;
#else
using Net = Sequential<Input<224, 224, 3>, Flatten, Dense<4096>, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 4 && Net::parameters > 4096);
static_assert(Net::training_bytes(1 << 20) > Net::parameters);
