// SPDX-License-Identifier: BSL-1.0
// Softmax twice: the layer, and the one inside the loss.
#include <strata/network.hpp>

#include "stand_in.hpp"
using namespace strata;

// expect-error: the loss takes logits
// expect-error: loss_needs_logits<.*SoftmaxCrossEntropy.*Softmax
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, Flatten, Dense<10>, Softmax>;
#else
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, Flatten, Dense<10>>;
#endif
bool trained = train<Net, SoftmaxCrossEntropy, Digits>();
static_assert(Net::output == Shape{10});
static_assert(Net::parameters == (3 * 3 * 3 + 1) * 16 + (8 * 8 * 16 + 1) * 10);
