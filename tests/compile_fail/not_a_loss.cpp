// SPDX-License-Identifier: BSL-1.0
// The optimizer where the loss should be.
#include <strata/network.hpp>

#include "stand_in.hpp"
using namespace strata;

struct Sgd {};

// expect-error: this type is not a loss
// expect-error: not_a_loss<.*Sgd
using Net = Sequential<Input<8, 8, 3>, Flatten, Dense<10>>;
#ifdef EXPECT_COMPILE_FAIL
bool trained = train<Net, Sgd, Digits>();
#else
bool trained = train<Net, SoftmaxCrossEntropy, Digits>();
#endif
static_assert(Net::output == Shape{10});
