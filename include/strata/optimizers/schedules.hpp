// SPDX-License-Identifier: BSL-1.0
// Learning-rate schedules: the rate of an update, from the number of updates done before it (0 at the first). Small values;
// an optimizer holds any of them as its `rate`. Rates are what the gradient is multiplied with; an update is one batch.
#pragma once
#include <cmath>
#include <cstdint>
#include <numbers>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <variant>

#include <strata/util/numbers.hpp>

namespace strata {

namespace detail {

inline void check_updates(const std::string& what, std::int64_t n) {
  if (n < 1) throw std::invalid_argument("strata: " + what + " is " + std::to_string(n) + " updates; expected at least 1");
}
// From `begin` to `end` along half a cosine, t in [0, 1]; stays at the end.
inline double anneal(double begin, double end, double t) {
  return t >= 1 ? end : end + (begin - end) * (1 + std::cos(std::numbers::pi * t)) / 2;
}

}  // namespace detail

struct ConstantRate {
  double rate = 0.01;
  [[nodiscard]] constexpr double operator()(std::int64_t) const { return rate; }
  void validate() const { detail::check_not_negative("the learning rate", rate); }
  [[nodiscard]] std::string describe() const { return "ConstantRate{rate " + detail::number_text(rate) + "}"; }
};

// rate / (1 + decay * updates): what `decay=` meant in Keras' optimizers up to 2.10 (now InverseTimeDecay with decay_steps
// 1). It lowers the rate; it is not weight decay, which lowers the weights.
struct InverseTimeDecay {
  double rate = 0.01, decay = 0;
  [[nodiscard]] constexpr double operator()(std::int64_t update) const {
    return rate / (1 + decay * static_cast<double>(update));
  }
  void validate() const {
    detail::check_not_negative("the learning rate", rate);
    detail::check_not_negative("the decay of the learning rate", decay);
  }
  [[nodiscard]] std::string describe() const {
    return "InverseTimeDecay{rate " + detail::number_text(rate) + ", decay " + detail::number_text(decay) + "}";
  }
};

// rate * factor^(updates / every), the quotient rounded down: PyTorch's StepLR with updates for epochs, Keras'
// ExponentialDecay(staircase=True). The AlexNet paper divided by 10 when the validation error stopped falling.
struct StepDecay {
  double rate = 0.01, factor = 0.1;
  std::int64_t every = 1;
  [[nodiscard]] constexpr double operator()(std::int64_t update) const {
    // By squaring: the same bits everywhere, which std::pow does not promise.
    double result = rate, power = factor;
    for (std::int64_t n = update / every; n > 0; n /= 2, power *= power)
      if (n % 2 != 0) result *= power;
    return result;
  }
  void validate() const {
    detail::check_not_negative("the learning rate", rate);
    if (!(factor > 0 && factor <= 1)) detail::refuse("the factor of a StepDecay", factor, "more than 0, at most 1");
    detail::check_updates("the step of a StepDecay", every);
  }
  [[nodiscard]] std::string describe() const {
    return "StepDecay{rate " + detail::number_text(rate) + ", factor " + detail::number_text(factor) + ", every " +
           std::to_string(every) + "}";
  }
};

// final + (rate - final) * (1 + cos(pi * updates / total)) / 2, then final: Loshchilov, Hutter 2017, without restarts;
// PyTorch's CosineAnnealingLR; Keras' CosineDecay, whose alpha is final / rate.
struct Cosine {
  double rate = 0.01;
  std::int64_t total = 1;
  double final = 0;
  [[nodiscard]] double operator()(std::int64_t update) const {
    return detail::anneal(rate, final, static_cast<double>(update) / static_cast<double>(total));
  }
  void validate() const {
    detail::check_not_negative("the learning rate", rate);
    detail::check_updates("the length of a Cosine", total);
    detail::check_not_negative("the final learning rate", final);
  }
  [[nodiscard]] std::string describe() const {
    return "Cosine{rate " + detail::number_text(rate) + ", total " + std::to_string(total) + ", final " +
           detail::number_text(final) + "}";
  }
};

// Along a cosine from max / start_divisor up to max, over `fraction` of the updates, then down to
// max / start_divisor / final_divisor at update total - 1: PyTorch's OneCycleLR with its defaults (Smith, Topin 2018),
// whose peak is at update fraction * total - 1, whole or not. Momentum is not cycled.
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

// Linear from 0 to the first rate of what follows, over so many updates; what follows starts counting after them. This is
// Keras' warm-up (CosineDecay with initial_learning_rate 0, warmup_target and warmup_steps): the very first update has rate
// 0.
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

namespace detail {

template <class S, class... Kinds>
inline constexpr bool one_of = (std::is_same_v<S, Kinds> || ...);

// OneCycle warms up by itself.
template <template <class...> class To>
using schedule_kinds = To<ConstantRate, InverseTimeDecay, StepDecay, Cosine, OneCycle, WarmUp<ConstantRate>,
                          WarmUp<InverseTimeDecay>, WarmUp<StepDecay>, WarmUp<Cosine>>;
template <class... Kinds>
struct KindSet {
  template <class S>
  static constexpr bool has = one_of<S, Kinds...>;
};

}  // namespace detail

// One of the schedules above.
template <class S>
concept ScheduleKind = detail::schedule_kinds<detail::KindSet>::has<S>;

// Any of the schedules above as one type, without allocating: what optimizers hold as `rate`. A plain number is a
// ConstantRate.
class Schedule {
 public:
  Schedule(double rate) : any_(ConstantRate{rate}) {}  // NOLINT: SGD{.learning_rate = 0.01} is meant to work
  template <ScheduleKind S>
  Schedule(S s) : any_(s) {}  // NOLINT: likewise

  // update: how many were done before.
  [[nodiscard]] double operator()(std::int64_t update) const {
    return std::visit([update](const auto& s) -> double { return s(update); }, any_);
  }
  // Throws std::invalid_argument where a rate is negative, infinite or not a number, or a length is not positive.
  void validate() const {
    std::visit([](const auto& s) { s.validate(); }, any_);
  }
  // For a record of the run: InverseTimeDecay{rate 0.01, decay 0.0005}.
  [[nodiscard]] std::string describe() const {
    return std::visit([](const auto& s) { return s.describe(); }, any_);
  }

 private:
  detail::schedule_kinds<std::variant> any_;
};

}  // namespace strata
