// SPDX-License-Identifier: BSL-1.0
// A slope below zero.
#include <strata/network.hpp>
using namespace strata;

// expect-error: slope, alpha, beta >= 0
// expect-error: number_outside_range<.*at_layer<2>.*LeakyReLUOf
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, LeakyReLUOf<-0.5>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, LeakyReLUOf<0.5>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 5 && Net::shapes.back() == Net::output);
static_assert(Net::parameters == (3 * 3 * 3 + 1) * 16 + (8 * 8 * 16 + 1) * 10);
static_assert(Net::training_bytes(128) > 0);
