// SPDX-License-Identifier: BSL-1.0
// Learning-rate schedules: the learning rate of an update, from the number of updates done before it (0 for the first).
// An update follows one batch, or several whose gradients are accumulated. After its end a schedule stays at its last rate.
// validate() throws std::invalid_argument for a rate that is negative, infinite or NaN, and for a length below 1.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

// The run that a schedule belongs to, for schedules that count epochs, know the run's length, or watch the validation.
// train() fills it in; in a loop of your own, Trainer::plan() and Trainer::validated() do.
struct RunContext {
  std::int64_t epoch = 0;                       // updates of an epoch; 0: not known
  std::int64_t updates = 0;                     // of the whole run; 0: not known
  std::span<const double> validation_losses{};  // of the epochs that are done
};

namespace detail {

void check_updates(const std::string& what, std::int64_t n);
// The numbers of the run; std::invalid_argument if they are not known.
std::int64_t updates_of_epoch(const RunContext& run, const char* who);
std::int64_t updates_of_run(const RunContext& run, const char* who);

// The rate of a schedule, which need not take the run.
template <class S>
constexpr double rate_of(const S& s, std::int64_t update, const RunContext& run) {
  if constexpr (requires { s(update, run); })
    return s(update, run);
  else
    return s(update);
}
template <class S>
constexpr bool follows_length(const S& s) {
  if constexpr (requires { s.follows_length(); }) return s.follows_length();
  return false;
}
template <class S>
constexpr bool follows_validation(const S& s) {
  if constexpr (requires { s.follows_validation(); }) return s.follows_validation();
  return false;
}

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

// final + (learning_rate - final) * (1 + cos(pi * t)) / 2 in cycles: t runs from 0 to 1 in `first` updates, then, from the
// start again, in first * factor, first * factor^2, ... (Loshchilov, Hutter 2017). Each cycle begins at `peak` times the
// rate at which the one before began. PyTorch's CosineAnnealingWarmRestarts (T_0, T_mult); Keras' CosineDecayRestarts
// (t_mul, m_mul).
struct CosineRestarts {
  double learning_rate = 0.01;
  std::int64_t first = 1;
  int factor = 1;
  double peak = 1, final = 0;
  [[nodiscard]] double operator()(std::int64_t update) const;
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// learning_rate * factor^n, n being how many of the updates in `at` are done. PyTorch's MultiStepLR (of epochs:
// PerEpoch{MultiStep{...}}); Keras' PiecewiseConstantDecay.
struct MultiStep {
  double learning_rate = 0.01, factor = 0.1;
  std::vector<std::int64_t> at{};
  [[nodiscard]] double operator()(std::int64_t update) const;
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// Straight lines between points, the first rate before the first point and the last rate after the last. `at` counts
// updates, epochs, or runs: then it is a fraction of the run, and a resumed run may not become longer.
enum class Unit { updates, epochs, runs };
struct SchedulePoint {
  double at = 0, learning_rate = 0;
};
struct PiecewiseLinear {
  std::vector<SchedulePoint> points{};
  Unit unit = Unit::updates;
  [[nodiscard]] double operator()(std::int64_t update, const RunContext& run = {}) const;
  [[nodiscard]] bool follows_length() const { return unit == Unit::runs; }
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// Multiplies the rate by `factor` after each `patience` epochs without a validation loss that is lower than the lowest by
// more than `threshold`; the `cooldown` epochs after that do not count. Keras' ReduceLROnPlateau; PyTorch's waits one epoch
// longer, and its threshold is a fraction. The rate follows from the losses so far, which checkpoints have.
struct ReduceOnPlateau {
  double learning_rate = 0.01, factor = 0.1;
  int patience = 10;
  double threshold = 1e-4;
  int cooldown = 0;
  double least = 0;
  [[nodiscard]] double operator()(std::int64_t update, const RunContext& run = {}) const;
  [[nodiscard]] static constexpr bool follows_validation() { return true; }
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// Counts epochs where a schedule says updates, any schedule, one of your own too; the size of the data set stands nowhere
// in the recipe. PerEpoch{StepDecay{0.1, 0.1, 30}} is PyTorch's StepLR(30) whose step() is called after each epoch, and
// Keras' LearningRateScheduler. The rate is the same for all updates of an epoch.
template <class S>
struct PerEpoch {
  S schedule;
  [[nodiscard]] double operator()(std::int64_t update, const RunContext& run = {}) const {
    const std::int64_t epoch = detail::updates_of_epoch(run, "PerEpoch");
    return detail::rate_of(
        schedule, update / epoch,
        RunContext{.epoch = 1, .updates = (run.updates + epoch - 1) / epoch, .validation_losses = run.validation_losses});
  }
  [[nodiscard]] bool follows_length() const { return detail::follows_length(schedule); }
  [[nodiscard]] bool follows_validation() const { return detail::follows_validation(schedule); }
  void validate() const { schedule.validate(); }
  [[nodiscard]] std::string describe() const { return "PerEpoch{" + schedule.describe() + "}"; }
};
template <class S>
PerEpoch(S) -> PerEpoch<S>;

// Rises linearly from 0 to the first rate of `then` during `updates` updates; `then` starts to count after them. Keras'
// warm-up (CosineDecay with initial_learning_rate 0, warmup_target and warmup_steps): the very first update has rate 0.
template <class S>
struct WarmUp {
  S then;
  std::int64_t updates = 1;
  [[nodiscard]] constexpr double operator()(std::int64_t update, const RunContext& run = {}) const {
    RunContext rest = run;
    if (rest.updates > updates) rest.updates -= updates;
    if (update >= updates) return detail::rate_of(then, update - updates, rest);
    return detail::rate_of(then, 0, rest) * (static_cast<double>(update) / static_cast<double>(updates));
  }
  [[nodiscard]] constexpr bool follows_length() const { return detail::follows_length(then); }
  [[nodiscard]] constexpr bool follows_validation() const { return detail::follows_validation(then); }
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
