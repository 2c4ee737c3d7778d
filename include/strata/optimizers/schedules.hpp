// SPDX-License-Identifier: BSL-1.0
// Learning-rate schedules: the learning rate of an update, from the number of updates done before it (0 for the first).
// An update follows one batch. validate() throws std::invalid_argument for a rate that is negative, infinite or NaN, and
// for a length below 1.
#pragma once
#include <cmath>
#include <cstdint>
#include <numbers>
#include <stdexcept>
#include <string>

#include <strata/util/numbers.hpp>

namespace strata {

namespace detail {

inline void check_updates(const std::string& what, std::int64_t n) {
  if (n < 1) throw std::invalid_argument("strata: " + what + " is " + std::to_string(n) + " updates; expected at least 1");
}
// From `begin` to `end` along half a cosine, t in [0, 1]; `end` from there on.
inline double anneal(double begin, double end, double t) {
  return t >= 1 ? end : end + (begin - end) * (1 + std::cos(std::numbers::pi * t)) / 2;
}

}  // namespace detail

// The same rate for every update; what a plain number means.
struct ConstantRate {
  double learning_rate = 0.01;
  [[nodiscard]] constexpr double operator()(std::int64_t) const { return learning_rate; }
  void validate() const { detail::check_not_negative("the learning rate", learning_rate); }
  [[nodiscard]] std::string describe() const { return detail::number_text(learning_rate); }
};

// learning_rate / (1 + decay * updates): the meaning of `decay=` in Keras' optimizers up to 2.10 (now InverseTimeDecay with
// decay_steps 1). It lowers the rate; it is not weight decay, which lowers the weights.
struct InverseTimeDecay {
  double learning_rate = 0.01, decay = 0;
  [[nodiscard]] constexpr double operator()(std::int64_t update) const {
    return learning_rate / (1 + decay * static_cast<double>(update));
  }
  void validate() const {
    detail::check_not_negative("the learning rate", learning_rate);
    detail::check_not_negative("the decay of the learning rate", decay);
  }
  [[nodiscard]] std::string describe() const {
    return "InverseTimeDecay{learning_rate " + detail::number_text(learning_rate) + ", decay " +
           detail::number_text(decay) + "}";
  }
};

// learning_rate * factor^(updates / every), the quotient rounded down. PyTorch's StepLR counts epochs instead of updates;
// Keras has it as ExponentialDecay(staircase=True).
struct StepDecay {
  double learning_rate = 0.01, factor = 0.1;
  std::int64_t every = 1;
  [[nodiscard]] constexpr double operator()(std::int64_t update) const {
    // By squaring, since std::pow may differ in the last bit between systems.
    double result = learning_rate, power = factor;
    for (std::int64_t n = update / every; n > 0; n /= 2, power *= power)
      if (n % 2 != 0) result *= power;
    return result;
  }
  void validate() const {
    detail::check_not_negative("the learning rate", learning_rate);
    if (!(factor > 0 && factor <= 1)) detail::refuse("the factor of a StepDecay", factor, "more than 0, at most 1");
    detail::check_updates("the step of a StepDecay", every);
  }
  [[nodiscard]] std::string describe() const {
    return "StepDecay{learning_rate " + detail::number_text(learning_rate) + ", factor " + detail::number_text(factor) +
           ", every " + std::to_string(every) + "}";
  }
};

// final + (learning_rate - final) * (1 + cos(pi * updates / total)) / 2, and final from `total` on (Loshchilov, Hutter
// 2017, without restarts). PyTorch's CosineAnnealingLR; Keras' CosineDecay, whose alpha is final / learning_rate.
struct Cosine {
  double learning_rate = 0.01;
  std::int64_t total = 1;
  double final = 0;
  [[nodiscard]] double operator()(std::int64_t update) const {
    return detail::anneal(learning_rate, final, static_cast<double>(update) / static_cast<double>(total));
  }
  void validate() const {
    detail::check_not_negative("the learning rate", learning_rate);
    detail::check_updates("the length of a Cosine", total);
    detail::check_not_negative("the final learning rate", final);
  }
  [[nodiscard]] std::string describe() const {
    return "Cosine{learning_rate " + detail::number_text(learning_rate) + ", total " + std::to_string(total) + ", final " +
           detail::number_text(final) + "}";
  }
};

// Along a cosine from max / start_divisor up to max during the first `fraction` of the updates, then down to
// max / start_divisor / final_divisor at update total - 1: PyTorch's OneCycleLR with its defaults (Smith, Topin 2018). As
// there, the peak is at update fraction * total - 1, which need not be whole. Momentum is not cycled.
struct OneCycle {
  double max = 0.1;
  std::int64_t total = 1;
  double fraction = 0.3, start_divisor = 25, final_divisor = 1e4;
  [[nodiscard]] double operator()(std::int64_t update) const {
    const double begin = max / start_divisor, u = static_cast<double>(update), last = static_cast<double>(total) - 1;
    const double peak = fraction * static_cast<double>(total) - 1;
    // A peak at update 0 is 0 or, where the compiler fuses the multiplication and the subtraction, 1e-17.
    if (u <= peak) return peak > 1e-9 ? detail::anneal(begin, max, u / peak) : max;
    return detail::anneal(max, begin / final_divisor, u < last ? (u - peak) / (last - peak) : 1.0);
  }
  void validate() const {
    detail::check_not_negative("the highest learning rate", max);
    detail::check_updates("the length of a OneCycle", total);
    if (!(fraction >= 0 && fraction <= 1)) detail::refuse("the fraction of a OneCycle", fraction, "between 0 and 1");
    detail::check_positive("the start divisor of a OneCycle", start_divisor);
    detail::check_positive("the final divisor of a OneCycle", final_divisor);
  }
  [[nodiscard]] std::string describe() const {
    return "OneCycle{max " + detail::number_text(max) + ", total " + std::to_string(total) + ", fraction " +
           detail::number_text(fraction) + ", start_divisor " + detail::number_text(start_divisor) + ", final_divisor " +
           detail::number_text(final_divisor) + "}";
  }
};

// Rises linearly from 0 to the first rate of `then` during `updates` updates; `then` starts to count after them. Keras'
// warm-up (CosineDecay with initial_learning_rate 0, warmup_target and warmup_steps): the very first update has rate 0.
template <class S>
struct WarmUp {
  S then;
  std::int64_t updates = 1;
  [[nodiscard]] constexpr double operator()(std::int64_t update) const {
    return update < updates ? then(0) * (static_cast<double>(update) / static_cast<double>(updates))
                            : then(update - updates);
  }
  void validate() const {
    then.validate();
    detail::check_updates("the length of a WarmUp", updates);
  }
  [[nodiscard]] std::string describe() const {
    return "WarmUp{" + then.describe() + ", updates " + std::to_string(updates) + "}";
  }
};
template <class S, class N>
WarmUp(S, N) -> WarmUp<S>;

}  // namespace strata
