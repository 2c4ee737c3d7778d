// SPDX-License-Identifier: BSL-1.0
// CrossEntropy takes probabilities and gets logits.
#include <strata/network.hpp>

#include "stand_in.hpp"
using namespace strata;

// expect-error: the loss takes probabilities
// expect-error: loss_needs_probabilities<.*CrossEntropy.*Dense<10
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, Flatten, Dense<10>, Softmax>;
#endif
bool trained = train<Net, CrossEntropy, Digits>();
static_assert(Net::output == Shape{10});
static_assert(Net::parameters == (3 * 3 * 3 + 1) * 16 + (8 * 8 * 16 + 1) * 10);
