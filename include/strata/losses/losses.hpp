// SPDX-License-Identifier: BSL-1.0
// Losses: what each one takes. The mean over the batch; labels are class numbers.
#pragma once
#include <strata/core/target.hpp>

namespace strata {

// -log softmax(logits)[label]
struct SoftmaxCrossEntropy {
  static constexpr Takes takes = Takes::logits;
};
// -x[label]
struct NegativeLogLikelihood {
  static constexpr Takes takes = Takes::log_probabilities;
};
// -log p[label], p clipped to [1e-7, 1 - 1e-7]: Keras' from_logits=False.
struct CrossEntropy {
  static constexpr Takes takes = Takes::probabilities;
};
// Mean over the classes of (x - one-hot)^2.
struct MeanSquaredError {
  static constexpr Takes takes = Takes::anything;
};
// Mean over the classes of the binary cross-entropy of sigmoid(logit) with the one-hot label.
struct SigmoidCrossEntropy {
  static constexpr Takes takes = Takes::logits;
};

// The same loss, whatever the network ends in: for the one who knows what he does, or wants to see what happens.
template <class Loss>
struct Unchecked : Loss {
  static constexpr Takes takes = Takes::anything;
};

}  // namespace strata
