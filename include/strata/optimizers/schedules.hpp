// SPDX-License-Identifier: BSL-1.0
// Learning-rate schedules: the learning rate of an update, from the number of updates done before it (0 for the first).
// An update follows one batch. validate() throws std::invalid_argument for a rate that is negative, infinite or NaN, and
// for a length below 1.
#pragma once
#include <cstdint>
#include <string>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

namespace detail {

void check_updates(const std::string& what, std::int64_t n);

}  // namespace detail

// The same rate for every update; what a plain number means.
struct ConstantRate {
  double learning_rate = 0.01;
  [[nodiscard]] constexpr double operator()(std::int64_t) const { return learning_rate; }
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// learning_rate / (1 + decay * updates): the meaning of `decay=` in Keras' optimizers up to 2.10 (now InverseTimeDecay with
// decay_steps 1). It lowers the rate; it is not weight decay, which lowers the weights.
struct InverseTimeDecay {
  double learning_rate = 0.01, decay = 0;
  [[nodiscard]] constexpr double operator()(std::int64_t update) const {
    return learning_rate / (1 + decay * static_cast<double>(update));
  }
  void validate() const;
  [[nodiscard]] std::string describe() const;
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
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// final + (learning_rate - final) * (1 + cos(pi * updates / total)) / 2, and final from `total` on (Loshchilov, Hutter
// 2017, without restarts). PyTorch's CosineAnnealingLR; Keras' CosineDecay, whose alpha is final / learning_rate.
struct Cosine {
  double learning_rate = 0.01;
  std::int64_t total = 1;
  double final = 0;
  [[nodiscard]] double operator()(std::int64_t update) const;
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// Along a cosine from max / start_divisor up to max during the first `fraction` of the updates, then down to
// max / start_divisor / final_divisor at update total - 1: PyTorch's OneCycleLR with its defaults (Smith, Topin 2018). As
// there, the peak is at update fraction * total - 1, which need not be whole. Momentum is not cycled.
struct OneCycle {
  double max = 0.1;
  std::int64_t total = 1;
  double fraction = 0.3, start_divisor = 25, final_divisor = 1e4;
  [[nodiscard]] double operator()(std::int64_t update) const;
  void validate() const;
  [[nodiscard]] std::string describe() const;
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

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/optimizers/schedules_impl.hpp>
#endif
