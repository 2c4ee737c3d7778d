// SPDX-License-Identifier: BSL-1.0
// A second convolution that declares 3 input channels; the pool before it has 96.
#include <strata/network.hpp>
using namespace strata;

// expect-error: In<\.\.\.> is not the number of input channels that arrive
// expect-error: input_channels_differ<.*at_layer<4>.*Conv<5, 256.*expected<3(LL)?>.*got<96(LL)?>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<32, 32, 3>, Conv<5, 96>, ReLU, MaxPool<3, 2>, Conv<5, 256, In<3>>, ReLU, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<32, 32, 3>, Conv<5, 96>, ReLU, MaxPool<3, 2>, Conv<5, 256, In<96>>, ReLU, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 8 && Net::shapes.back() == Net::output);
static_assert(Net::parameters == (5 * 5 * 3 + 1) * 96 + (5 * 5 * 96 + 1) * 256 + (15 * 15 * 256 + 1) * 10);
static_assert(Net::training_bytes(128) > 0);
