// SPDX-License-Identifier: BSL-1.0
// A block is used as a network.
#include <strata/network.hpp>
using namespace strata;

// expect-error: the network has no Input
// expect-error: no_input<.*Sequential<.*Flatten
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Flatten, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers >= 2 && Net::parameters > 0);
