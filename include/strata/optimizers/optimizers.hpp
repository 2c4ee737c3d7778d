// SPDX-License-Identifier: BSL-1.0
// Optimizers as their numbers; the updates are the backend's kernels. In the formulas w is a weight, g its gradient (the
// mean over the batch), r the rate of the update.
#pragma once
#include <concepts>
#include <cstdint>
#include <string>

#include <strata/optimizers/schedules.hpp>

namespace strata {

namespace detail {
// Kernels have them as float.
inline void check_share(const char* what, double x) {
  if (!(x >= 0 && static_cast<float>(x) < 1)) refuse(what, x, "at least 0, less than 1 in float32");
}
inline void check_adam(double beta1, double beta2, double epsilon, double weight_decay) {
  check_share("beta1", beta1);
  check_share("beta2", beta2);
  check_positive("epsilon", epsilon);  // with 0, a weight without gradients is 0 / 0
  if (!(static_cast<float>(epsilon) > 0)) refuse("epsilon", epsilon, "more than zero in float32");
  check_not_negative("the weight decay", weight_decay);
}
inline std::string adam_text(const char* name, const Schedule& learning_rate, double beta1, double beta2, double epsilon,
                             double weight_decay) {
  return std::string(name) + "{learning_rate " + learning_rate.describe() + ", beta1 " + number_text(beta1) + ", beta2 " +
         number_text(beta2) + ", epsilon " + number_text(epsilon) + ", weight_decay " + number_text(weight_decay) + "}";
}
}  // namespace detail

// Stochastic gradient descent as Keras has it: v = momentum * v - r * (g + weight_decay * w), then w += v, or with
// Nesterov's momentum w += momentum * v - r * (g + weight_decay * w). The AlexNet paper's update is this one, with momentum
// 0.9 and weight_decay 0.0005. (PyTorch keeps v without the rate: the same as long as the rate stays.)
struct SGD {
  Schedule learning_rate = 0.01;
  double momentum = 0;
  bool nesterov = false;
  double weight_decay = 0;  // L2, through the gradient

  static constexpr int slots = 1;  // numbers kept for each weight
  // Throws std::invalid_argument.
  void validate() const {
    learning_rate.validate();
    detail::check_share("the momentum", momentum);
    detail::check_not_negative("the weight decay", weight_decay);
    if (nesterov && momentum == 0) detail::refuse("the momentum", momentum, "more than 0 with nesterov");
  }
  [[nodiscard]] std::string describe() const {
    return "SGD{learning_rate " + learning_rate.describe() + ", momentum " + detail::number_text(momentum) +
           (nesterov ? ", nesterov" : "") + ", weight_decay " + detail::number_text(weight_decay) + "}";
  }
};

// Kingma, Ba 2015, in the form of their section 2, which Keras has too: m and v are running means of g and g^2 (g with
// weight_decay * w added: L2, as in PyTorch's Adam), w -= r * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon).
// epsilon is Keras'; PyTorch's is 1e-8 and stands inside the correction.
struct Adam {
  Schedule learning_rate = 0.001;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7;
  double weight_decay = 0;

  static constexpr int slots = 2;
  // Throws std::invalid_argument.
  void validate() const {
    learning_rate.validate();
    detail::check_adam(beta1, beta2, epsilon, weight_decay);
  }
  [[nodiscard]] std::string describe() const {
    return detail::adam_text("Adam", learning_rate, beta1, beta2, epsilon, weight_decay);
  }
};

// Loshchilov, Hutter 2019: Adam, but the decay acts on the weights and not through the gradient: w -= r * weight_decay * w
// before the step. 0.004 is Keras' default; PyTorch's is 0.01.
struct AdamW {
  Schedule learning_rate = 0.001;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7;
  double weight_decay = 0.004;

  static constexpr int slots = 2;
  // Throws std::invalid_argument.
  void validate() const {
    learning_rate.validate();
    detail::check_adam(beta1, beta2, epsilon, weight_decay);
  }
  [[nodiscard]] std::string describe() const {
    return detail::adam_text("AdamW", learning_rate, beta1, beta2, epsilon, weight_decay);
  }
};

template <class O>
concept Optimizer = requires(const O& o, std::int64_t update) {
  { O::slots } -> std::convertible_to<int>;
  o.validate();
  { o.describe() } -> std::convertible_to<std::string>;
  { o.learning_rate(update) } -> std::convertible_to<double>;
};

}  // namespace strata
