// SPDX-License-Identifier: BSL-1.0
// The optimizers. Each is a value: its fields change training and are recorded with a run. In the formulas w is a weight,
// g its gradient (of the batch's mean loss), r the learning rate, t the number of the update, from 1. One of your own is
// a struct with the same members (optimizers/update.hpp, examples/custom_optimizer). The field of the reference
// (docs/reference.py) that stands here holds for each optimizer below.
// Errors: std::invalid_argument from train() and Trainer if a number is out of range
#pragma once
#include <cmath>
#include <cstddef>
#include <span>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/optimizers/update.hpp>

namespace strata::inline STRATA_ABI {

namespace detail {

// Throws std::invalid_argument. Kernels hold these numbers as float.
void check_fraction(const char* what, double x);

}  // namespace detail

// Stochastic gradient descent, with momentum in the form of Keras. With a momentum of 0.9 and a weight_decay of 0.0005 it
// is the update of the AlexNet paper.
// Formula: p = r (g + weight_decay w), v = momentum v - p, w = w + v
//          nesterov: w = w + momentum v - p
// State: v, one number for each parameter; none without momentum
// Example: train(model, data, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 5e-4});
// Keras: SGD(0.01, momentum, nesterov), with an L2 regularizer of weight_decay / 2; its own weight_decay is decoupled
// PyTorch: optim.SGD(params, lr, momentum, weight_decay), which keeps v without the rate: they differ when the rate
//   changes
struct SGD final {
  Schedule learning_rate = 0.01;  // a number or a schedule
  double momentum = 0;            // in [0, 1)
  bool nesterov = false;          // needs a momentum above 0
  double weight_decay = 0;        // L2, through the gradient; at least 0

  [[nodiscard]] int slot_count() const { return momentum > 0 ? 1 : 0; }
  // Throws std::invalid_argument.
  void validate() const;
  [[nodiscard]] std::string describe() const;

  template <class T>
  struct Element {
    T rate, momentum, weight_decay;
    bool nesterov, keeps_velocity;
    template <class Slots>
    STRATA_HOST_DEVICE T operator()(T w, T g, const Slots& slot) const {
      const T pull = rate * (g + weight_decay * w);
      if (!keeps_velocity) return w - pull;
      const T v = momentum * slot[0] - pull;
      slot[0] = v;
      return w + (nesterov ? momentum * v - pull : v);
    }
  };
  template <class T>
  [[nodiscard]] Element<T> element(const UpdateStep& u) const {
    return {static_cast<T>(u.learning_rate), static_cast<T>(momentum), static_cast<T>(weight_decay * u.weight_decay),
            nesterov, slot_count() > 0};
  }
};

namespace detail {

void check_adam(double beta1, double beta2, double epsilon, double weight_decay);
std::string adam_text(const char* name, const Schedule& learning_rate, double beta1, double beta2, double epsilon,
                      double weight_decay);

// Adam and AdamW. Decoupled: the decay acts on the weights, not through the gradient.
template <bool Decoupled>
struct AdamOf final {
  Schedule learning_rate = 0.001;               // a number or a schedule
  double beta1 = 0.9;                           // the share of m that is kept, in [0, 1)
  double beta2 = 0.999;                         // the share of v that is kept, in [0, 1)
  double epsilon = 1e-7;                        // above 0
  double weight_decay = Decoupled ? 0.004 : 0;  // acts through the gradient, in AdamW on the weights; at least 0

  [[nodiscard]] static int slot_count() { return 2; }
  // Throws std::invalid_argument.
  void validate() const {
    learning_rate.validate();
    check_adam(beta1, beta2, epsilon, weight_decay);
  }
  [[nodiscard]] std::string describe() const {
    return adam_text(Decoupled ? "AdamW" : "Adam", learning_rate, beta1, beta2, epsilon, weight_decay);
  }

  template <class T>
  struct Element {
    T rate, corrected, beta1, beta2, epsilon, weight_decay;
    template <class Slots>
    STRATA_HOST_DEVICE T operator()(T w, T g, const Slots& slot) const {
      const T gradient = Decoupled ? g : g + weight_decay * w;
      const T m = slot[0] + (gradient - slot[0]) * (T{1} - beta1);
      const T v = slot[1] + (gradient * gradient - slot[1]) * (T{1} - beta2);
      slot[0] = m, slot[1] = v;
      const T decayed = Decoupled ? w - rate * weight_decay * w : w;
      return decayed - corrected * m / (std::sqrt(v) + epsilon);
    }
  };
  template <class T>
  [[nodiscard]] Element<T> element(const UpdateStep& u) const {
    const T rate = static_cast<T>(u.learning_rate), b1 = static_cast<T>(beta1), b2 = static_cast<T>(beta2);
    const double t = static_cast<double>(u.number);
    const double corrected = static_cast<double>(rate) * std::sqrt(1 - std::pow(static_cast<double>(b2), t)) /
                             (1 - std::pow(static_cast<double>(b1), t));
    return {rate, static_cast<T>(corrected), b1,
            b2,   static_cast<T>(epsilon),   static_cast<T>(weight_decay * u.weight_decay)};
  }
};

}  // namespace detail

// Steps of about the same length for all weights, from running means of the gradient and its square. In the form of
// section 2 of the paper, and of Keras.
// Formula: g = g + weight_decay w, m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2,
//          w = w - r sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon)
// State: m and v, two numbers for each parameter
// Example: train(model, data, SoftmaxCrossEntropy{}, Adam{.learning_rate = 0.0005});
// Keras: Adam(), with the same defaults; its own weight_decay is decoupled, as in AdamW
// PyTorch: optim.Adam(params, eps=1e-8); its epsilon stands inside the correction
// Source: Kingma, Ba 2015
using Adam = detail::AdamOf<false>;

// Adam whose decay acts on the weights and not through the gradient.
// Formula: m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2,
//          w = w - r weight_decay w - r sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon)
// State: m and v, two numbers for each parameter
// Example:
//   train(model, data, SoftmaxCrossEntropy{}, AdamW{.weight_decay = 0.05},
//         {.groups = {no_decay_of_biases_and_norms()}});
// Keras: AdamW(), with the same defaults
// PyTorch: optim.AdamW(params, eps=1e-8, weight_decay=0.01)
// Source: Loshchilov, Hutter 2019
using AdamW = detail::AdamOf<true>;

// Divides the gradient by the root of a running mean of its square. In the form of Keras; TensorFlow 1 began with v = 1.
// Formula: g = g + weight_decay w, v = rho v + (1 - rho) g^2, s = r g / sqrt(v + epsilon), w = w - s
//          momentum: b = momentum b + s, w = w - b
//          centered: a = rho a + (1 - rho) g, and v - a^2 stands in place of v in s
// State: v, one number for each parameter; b with momentum, a if centered
// Example: train(model, data, SoftmaxCrossEntropy{}, RMSprop{.learning_rate = 0.001, .momentum = 0.9});
// Keras: RMSprop(), with the same defaults
// PyTorch: optim.RMSprop(params, alpha=0.9), which adds its eps=1e-8 to the root and keeps b without the rate: they
//   differ when the rate changes
// Source: Hinton 2012
struct RMSprop final {
  Schedule learning_rate = 0.001;  // a number or a schedule
  double rho = 0.9;                // the share of v that is kept, in [0, 1)
  double momentum = 0;             // in [0, 1)
  double epsilon = 1e-7;           // above 0
  bool centered = false;           // subtracts the square of the mean gradient
  double weight_decay = 0;         // L2, through the gradient, as in PyTorch; at least 0

  // v, then b, then a.
  [[nodiscard]] int slot_count() const { return 1 + (momentum > 0 ? 1 : 0) + (centered ? 1 : 0); }
  // Throws std::invalid_argument.
  void validate() const;
  [[nodiscard]] std::string describe() const;

  template <class T>
  struct Element {
    T rate, rho, momentum, epsilon, weight_decay;
    bool keeps_steps;
    int mean_slot;  // 0: not centered
    template <class Slots>
    STRATA_HOST_DEVICE T operator()(T w, T g, const Slots& slot) const {
      const T gradient = g + weight_decay * w;
      T v = slot[0] + (gradient * gradient - slot[0]) * (T{1} - rho);
      slot[0] = v;
      if (mean_slot > 0) {
        const T a = slot[mean_slot] + (gradient - slot[mean_slot]) * (T{1} - rho);
        slot[mean_slot] = a;
        v = v > a * a ? v - a * a : T{0};  // rounding can make it negative
      }
      const T step = rate * gradient / std::sqrt(v + epsilon);
      if (!keeps_steps) return w - step;
      const T b = momentum * slot[1] + step;
      slot[1] = b;
      return w - b;
    }
  };
  template <class T>
  [[nodiscard]] Element<T> element(const UpdateStep& u) const {
    return {static_cast<T>(u.learning_rate),
            static_cast<T>(rho),
            static_cast<T>(momentum),
            static_cast<T>(epsilon),
            static_cast<T>(weight_decay * u.weight_decay),
            momentum > 0,
            centered ? slot_count() - 1 : 0};
  }
};

// Moves all weights equally far, in the direction of a running mean of the gradient. The paper's learning rates are 3 to
// 10 times lower than those of AdamW, and its weight decays higher by the same factor.
// Formula: w = w - r (sign(beta1 m + (1 - beta1) g) + weight_decay w), then m = beta2 m + (1 - beta2) g
// State: m, one number for each parameter
// Example: train(model, data, SoftmaxCrossEntropy{}, Lion{.learning_rate = 3e-4, .weight_decay = 0.01});
// Keras: Lion(learning_rate=0.0001); without an argument its rate is 0.001
// PyTorch: none
// Source: Chen et al. 2023
struct Lion final {
  Schedule learning_rate = 0.0001;  // a number or a schedule
  double beta1 = 0.9;               // the share of m in the direction, in [0, 1)
  double beta2 = 0.99;              // the share of m that is kept, in [0, 1)
  double weight_decay = 0;          // of the weights, as in AdamW; at least 0

  [[nodiscard]] static int slot_count() { return 1; }
  // Throws std::invalid_argument.
  void validate() const;
  [[nodiscard]] std::string describe() const;

  template <class T>
  struct Element {
    T rate, beta1, beta2, weight_decay;
    template <class Slots>
    STRATA_HOST_DEVICE T operator()(T w, T g, const Slots& slot) const {
      const T m = slot[0], mean = g + (m - g) * beta1;
      slot[0] = g + (m - g) * beta2;
      const T sign = mean > T{0} ? T{1} : mean < T{0} ? T{-1} : mean;  // of a NaN, a NaN
      return w - rate * (sign + weight_decay * w);
    }
  };
  template <class T>
  [[nodiscard]] Element<T> element(const UpdateStep& u) const {
    return {static_cast<T>(u.learning_rate), static_cast<T>(beta1), static_cast<T>(beta2),
            static_cast<T>(weight_decay * u.weight_decay)};
  }
};

// For large batches: the step of AdamW, scaled for each tensor to the tensor's own norm, times the rate. It works on
// whole tensors, so it runs on the CPU only.
// Formula: m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2,
//          s = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + weight_decay w,
//          w = w - r |w| / |s| s; where |w| or |s| is 0, the quotient is 1
// State: m and v, two numbers for each parameter
// Example: train(model, data, SoftmaxCrossEntropy{}, LAMB{.learning_rate = 0.002});
// Keras: Lamb(), whose decay is 0 by default
// PyTorch: none
// Source: You et al. 2020
struct LAMB final {
  Schedule learning_rate = 0.001;  // a number or a schedule
  double beta1 = 0.9;              // the share of m that is kept, in [0, 1)
  double beta2 = 0.999;            // the share of v that is kept, in [0, 1)
  double epsilon = 1e-6;           // above 0
  double weight_decay = 0.01;      // of the weights; at least 0

  [[nodiscard]] static int slot_count() { return 2; }  // m, v
  // Throws std::invalid_argument.
  void validate() const {
    learning_rate.validate();
    detail::check_adam(beta1, beta2, epsilon, weight_decay);
  }
  [[nodiscard]] std::string describe() const {
    return detail::adam_text("LAMB", learning_rate, beta1, beta2, epsilon, weight_decay);
  }
  template <class T>
  void update(const UpdateStep& u, const ParameterSlice<T>& tensor) const {
    const double t = static_cast<double>(u.number);
    const T b1 = static_cast<T>(beta1), b2 = static_cast<T>(beta2);
    const T first = static_cast<T>(1 - std::pow(beta1, t)), second = static_cast<T>(1 - std::pow(beta2, t));
    const T decay = static_cast<T>(weight_decay * u.weight_decay);
    const std::span<T> w = tensor.parameters, m = tensor.slot(0), v = tensor.slot(1);
    const auto step = [&](std::size_t i) {
      return m[i] / first / (std::sqrt(v[i] / second) + static_cast<T>(epsilon)) + decay * w[i];
    };
    double weights = 0, steps = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const T g = tensor.gradients[i];
      m[i] += (g - m[i]) * (T{1} - b1);
      v[i] += (g * g - v[i]) * (T{1} - b2);
      const double x = static_cast<double>(w[i]), s = static_cast<double>(step(i));
      weights += x * x, steps += s * s;
    }
    const double trust = weights > 0 && steps > 0 ? std::sqrt(weights / steps) : 1;
    const T rate = static_cast<T>(u.learning_rate * trust);
    for (std::size_t i = 0; i < w.size(); ++i) w[i] -= rate * step(i);
  }
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/optimizers/optimizers_impl.hpp>
#endif
