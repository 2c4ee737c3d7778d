// SPDX-License-Identifier: BSL-1.0
// 96 channels in 5 groups.
#include <strata/network.hpp>
using namespace strata;

// expect-error: the groups must divide the input channels
// expect-error: groups_do_not_divide_channels<.*at_layer<2>.*Conv<5, 250.*expected<5(LL)?>.*got<96(LL)?>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<16, 16, 3>, Conv<5, 96>, Conv<5, 250, Groups<5>>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<16, 16, 3>, Conv<5, 96>, Conv<5, 252, Groups<6>>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 5 && Net::parameters > 0);
