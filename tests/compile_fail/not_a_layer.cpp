// SPDX-License-Identifier: BSL-1.0
// An optimizer among the layers.
#include <strata/network.hpp>
using namespace strata;

struct Sgd {};

// expect-error: this type is not a layer
// expect-error: not_a_layer<.*at_layer<2>.*Sgd
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Flatten, Sgd, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, Flatten, ReLU, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 4 && Net::shapes.back() == Net::output);
static_assert(Net::parameters == (8 * 8 * 3 + 1) * 10);
static_assert(Net::training_bytes(128) > 0);
