// SPDX-License-Identifier: BSL-1.0
// NegativeLogLikelihood takes log-probabilities and gets logits.
#include <strata/network.hpp>

#include "stand_in.hpp"
using namespace strata;

// expect-error: the loss takes log-probabilities
// expect-error: loss_needs_log_probabilities<.*NegativeLogLikelihood.*Dense<10
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, Flatten, Dense<10>, LogSoftmax>;
#endif
bool trained = train<Net, NegativeLogLikelihood, Digits>();
static_assert(Net::output == Shape{10});
static_assert(Net::parameters == (3 * 3 * 3 + 1) * 16 + (8 * 8 * 16 + 1) * 10);
