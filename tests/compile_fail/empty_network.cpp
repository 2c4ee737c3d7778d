// SPDX-License-Identifier: BSL-1.0
// No layers.
#include <strata/network.hpp>
using namespace strata;

// expect-error: the network is empty
// expect-error: empty_network<.*Sequential<>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<>;
#else
using Net = Sequential<Input<8, 8, 3>>;
#endif
static_assert(Net::layers <= 1 && Net::parameters == 0 && Net::macs == 0);
static_assert(Net::output.channels >= 1);
