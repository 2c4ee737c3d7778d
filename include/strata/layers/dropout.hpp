// SPDX-License-Identifier: BSL-1.0
// Dropout, and StochasticDepth, which drops whole samples.
#pragma once
#include <type_traits>

#include <strata/core/linkage.hpp>
#include <strata/core/options.hpp>

namespace strata {

// The fraction that is kept, as tf.nn.dropout of TensorFlow 1 took it. Keras and PyTorch take the fraction that is dropped.
struct Keep {
  double probability = 1;
};

inline namespace STRATA_ABI {
namespace detail {
constexpr double rate_of(Keep keep) { return 1 - keep.probability; }
// -1, which is out of range, for an argument that is not a number.
template <class Rate>
constexpr double rate_of(Rate rate) {
  if constexpr (std::is_arithmetic_v<Rate>)
    return static_cast<double>(rate);
  else
    return -1;
}
}  // namespace detail
}  // namespace STRATA_ABI

// In training, sets a random fraction of the elements to zero and divides the others by the fraction that is kept, so
// that their expected values stay the same. Otherwise it does nothing.
// Formula: in training y = x / (1 - Rate) with probability 1 - Rate, else 0; otherwise y = x
// Shapes: (N,H,W,C) or (N,n), which it keeps
// Options: Rate, the fraction that is dropped, in [0, 1); or Keep{fraction}, the fraction that is kept, in (0, 1]
// Errors: rate_outside_range; loss_needs_logits, as the last layer before a loss that takes logits
// Example: using Net = Sequential<Input<28, 28, 1>, Flatten, Dense<64>, ReLU, Dropout<0.5>, Dense<10>>;
// Keras: Dropout(Rate)
// PyTorch: nn.Dropout(Rate)
// Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014
template <auto Rate>
struct Dropout {
  static constexpr const char* name = "Dropout";
  static constexpr double rate = detail::rate_of(Rate);
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s = detail::keep(in, Values::dropped);
    if (!(rate >= 0 && rate < 1)) s.fail(Fault::rate_outside_range);
    return s;
  }
};

// Dropout of whole samples: in training, sets all elements of a random fraction of the samples to zero and divides the
// others by the fraction that is kept. As the last layer of a Residual's branch it drops the branch.
// Formula: in training y = x / (1 - Rate) with probability 1 - Rate, else 0, for each sample; otherwise y = x
// Shapes: (N,H,W,C) or (N,n), which it keeps
// Options: Rate, the fraction that is dropped, in [0, 1); or Keep{fraction}, the fraction that is kept, in (0, 1]
// Errors: rate_outside_range; loss_needs_logits, as the last layer before a loss that takes logits
// Example: using Net = Sequential<Input<32, 32, 64>, Residual<Conv<3, 64>, BatchNorm, StochasticDepth<0.1>>>;
// Keras: Dropout(Rate, noise_shape=(None, 1, 1, 1))
// PyTorch: torchvision.ops.StochasticDepth(Rate, mode="row")
// Source: Huang, Sun, Liu, Sedra, Weinberger 2016
template <auto Rate>
struct StochasticDepth {
  static constexpr const char* name = "StochasticDepth";
  static constexpr double rate = Dropout<Rate>::rate;
  static constexpr LayerInfo infer(Shape in) { return Dropout<Rate>::infer(in); }
};

}  // namespace strata
