// SPDX-License-Identifier: BSL-1.0
// Optimizers as their numbers; the updates are the backend's kernels. `slots` is what each keeps for every parameter.
#pragma once
#include <concepts>

#include <strata/training/schedules.hpp>

namespace strata {

namespace detail {
inline void check_share(const char* name, double x) {
  if (!(x >= 0 && x < 1))
    throw std::invalid_argument(std::string("strata: ") + name + " " + std::to_string(x) + " is not in [0, 1)");
}
inline void check_decay(double x) {
  if (!(x >= 0)) throw std::invalid_argument("strata: weight decay " + std::to_string(x) + " is negative");
}
}  // namespace detail

// Stochastic gradient descent; weight_decay is the L2 term of the AlexNet paper, added to the gradient.
struct SGD {
  Schedule rate = 0.01;
  double momentum = 0;
  bool nesterov = false;
  double weight_decay = 0;
  static constexpr int slots = 1;
  void validate() const {
    rate.validate();
    detail::check_share("momentum", momentum);
    detail::check_decay(weight_decay);
  }
};

// Kingma, Ba 2015. epsilon is Keras' (PyTorch: 1e-8); weight_decay is L2, as in PyTorch's Adam.
struct Adam {
  Schedule rate = 0.001;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7;
  double weight_decay = 0;
  static constexpr int slots = 2;
  void validate() const {
    rate.validate();
    detail::check_share("beta1", beta1);
    detail::check_share("beta2", beta2);
    detail::check_decay(weight_decay);
  }
};

// Loshchilov, Hutter 2019: the decay acts on the weights, not through the gradient. 0.004 is Keras' default.
struct AdamW : Adam {
  AdamW() : Adam{.weight_decay = 0.004} {}
  explicit AdamW(Adam a) : Adam(a) {}
};

template <class O>
concept Optimizer = requires(const O& o) {
  { O::slots } -> std::convertible_to<int>;
  o.validate();
  { o.rate(0) } -> std::convertible_to<double>;
};

}  // namespace strata
