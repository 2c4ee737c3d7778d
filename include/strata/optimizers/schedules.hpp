// SPDX-License-Identifier: BSL-1.0
// Learning-rate schedules: the learning rate of an update, from the number of updates done before it (0 for the first).
// An update follows one batch, or several whose gradients are accumulated. After its end a schedule stays at its last
// rate. In the formulas u is the number of updates done before. The field of the reference (docs/reference.py) that
// stands here holds for each schedule below that has none of its own.
// Errors: std::invalid_argument from train() and Trainer for a rate that is negative, infinite or NaN, for a length below
//   1, and for another number that is out of range
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

// The same rate for every update. A plain number means this.
// Formula: learning_rate
// Example: const SGD optimizer{.learning_rate = 0.05};
// Keras: a number
// PyTorch: a number
struct ConstantRate {
  double learning_rate = 0.01;  // at least 0
  [[nodiscard]] constexpr double operator()(std::int64_t) const { return learning_rate; }
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// Divides the rate by a number that grows with the updates, as `decay=` of Keras' optimizers did up to 2.10. This is not
// weight decay, which lowers the weights.
// Formula: learning_rate / (1 + decay u)
// Example: const SGD optimizer{.learning_rate = InverseTimeDecay{.learning_rate = 0.03, .decay = 0.0005}};
// Keras: InverseTimeDecay(learning_rate, decay_steps=1, decay_rate=decay)
// PyTorch: lr_scheduler.LambdaLR(opt, lambda u: 1 / (1 + decay * u))
struct InverseTimeDecay {
  double learning_rate = 0.01;  // the first rate, at least 0
  double decay = 0;             // at least 0
  [[nodiscard]] constexpr double operator()(std::int64_t update) const {
    return learning_rate / (1 + decay * static_cast<double>(update));
  }
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// Multiplies the rate by a factor whenever `every` updates are done.
// Formula: learning_rate factor^n, n = u / every, rounded down
// Example: const SGD optimizer{.learning_rate = StepDecay{.learning_rate = 0.1, .factor = 0.5, .every = 5000}};
// Keras: ExponentialDecay(learning_rate, decay_steps=every, decay_rate=factor, staircase=True)
// PyTorch: lr_scheduler.StepLR(opt, step_size=every, gamma=factor), with step() after each update
struct StepDecay {
  double learning_rate = 0.01;  // the first rate, at least 0
  double factor = 0.1;          // above 0, at most 1
  std::int64_t every = 1;       // updates, at least 1
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

// Falls along half a cosine, and stays at its final rate.
// Formula: final + (learning_rate - final) (1 + cos(pi u / total)) / 2, and final from u = total on
// Example: const SGD optimizer{.learning_rate = Cosine{.learning_rate = 0.1, .total = 20 * 782}};
// Keras: CosineDecay(learning_rate, decay_steps=total, alpha=final / learning_rate)
// PyTorch: lr_scheduler.CosineAnnealingLR(opt, T_max=total, eta_min=final), with step() after each update; after T_max it
//   rises again
// Source: Loshchilov, Hutter 2017, without restarts
struct Cosine {
  double learning_rate = 0.01;  // the first rate, at least 0
  std::int64_t total = 1;       // updates, at least 1
  double final = 0;             // the last rate, at least 0
  [[nodiscard]] double operator()(std::int64_t update) const;
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// Rises along half a cosine to its highest rate, then falls along another to a very low one. Momentum is not cycled.
// Formula: from max / start_divisor at u = 0 to max at u = fraction total - 1, which need not be whole,
//          then to max / start_divisor / final_divisor at u = total - 1
// Example: const SGD optimizer{.learning_rate = OneCycle{.max = 0.1, .total = 20 * 782}, .momentum = 0.9};
// Keras: none
// PyTorch: lr_scheduler.OneCycleLR(opt, max_lr=max, total_steps=total, cycle_momentum=False), with the same defaults
// Source: Smith, Topin 2018
struct OneCycle {
  double max = 0.1;            // the highest rate, at least 0
  std::int64_t total = 1;      // updates, at least 1
  double fraction = 0.3;       // the share of the updates before the highest rate, in [0, 1]
  double start_divisor = 25;   // above 0
  double final_divisor = 1e4;  // above 0
  [[nodiscard]] double operator()(std::int64_t update) const;
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// A Cosine that begins again, in cycles that may become longer and lower.
// Formula: final + (begin - final) (1 + cos(pi s)) / 2, where s runs from 0 to 1 in each cycle;
//          the cycles have first, first factor, first factor^2, ... updates, and begin = learning_rate peak^(cycles before)
// Example: const SGD optimizer{.learning_rate = CosineRestarts{.learning_rate = 0.1, .first = 1000, .factor = 2}};
// Keras: CosineDecayRestarts(learning_rate, first, t_mul=factor, m_mul=peak), for a final rate of 0
// PyTorch: lr_scheduler.CosineAnnealingWarmRestarts(opt, T_0=first, T_mult=factor, eta_min=final), with step() after each
//   update; it has no peak
// Source: Loshchilov, Hutter 2017
struct CosineRestarts {
  double learning_rate = 0.01;  // the first rate, at least 0
  std::int64_t first = 1;       // updates of the first cycle, at least 1
  int factor = 1;               // how many times longer each cycle is than the one before, at least 1
  double peak = 1;              // how many times higher each cycle begins than the one before, above 0, at most 1
  double final = 0;             // the last rate of each cycle, at least 0
  [[nodiscard]] double operator()(std::int64_t update) const;
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// Multiplies the rate by a factor after each of the given updates.
// Formula: learning_rate factor^n, n = how many numbers of `at` are at most u
// Example: const SGD optimizer{.learning_rate = PerEpoch{MultiStep{.learning_rate = 0.1, .factor = 0.1, .at = {30, 60}}}};
// Keras: PiecewiseConstantDecay(boundaries, values), which changes one update later
// PyTorch: lr_scheduler.MultiStepLR(opt, milestones=at, gamma=factor), with step() after each update
struct MultiStep {
  double learning_rate = 0.01;     // the first rate, at least 0
  double factor = 0.1;             // at least 0
  std::vector<std::int64_t> at{};  // updates, each at least 1
  [[nodiscard]] double operator()(std::int64_t update) const;
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// The unit in which a point of a PiecewiseLinear is given.
enum class Unit { updates, epochs, runs };
struct SchedulePoint {
  double at = 0, learning_rate = 0;
};
// Straight lines between points. The place of a point is a number of updates or of epochs, or a fraction of the run. With
// fractions, a resumed run may not become longer.
// Formula: between a point (from, a) and the next (to, b): a + (b - a) (u - from) / (to - from), u in the points' unit;
//          before the first point the first rate, after the last point the last rate
// Example: const SGD optimizer{.learning_rate = PiecewiseLinear{{{0, 0.02}, {0.25, 0.1}, {1, 0.001}}, Unit::runs}};
// Keras: none
// PyTorch: lr_scheduler.LambdaLR(opt, f) with a function of your own
struct PiecewiseLinear {
  std::vector<SchedulePoint> points{};  // pairs of place and rate, in ascending order, at least one
  Unit unit = Unit::updates;            // what places count: Unit::updates, Unit::epochs or Unit::runs
  [[nodiscard]] double operator()(std::int64_t update, const RunContext& run = {}) const;
  [[nodiscard]] bool follows_length() const { return unit == Unit::runs; }
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// Lowers the rate when the validation loss does not fall any more. Training needs a validation. Checkpoints have the
// losses so far, from which the rate follows.
// Formula: rate = max(rate factor, least) after each `patience` epochs in a row without a validation loss below the lowest
//          minus threshold; the `cooldown` epochs after that do not count
// Errors: std::invalid_argument from train() and Trainer without a validation, and for a number that is out of range
// Example:
//   train(model, data, SoftmaxCrossEntropy{}, SGD{.learning_rate = ReduceOnPlateau{.learning_rate = 0.1, .patience = 5}},
//         {.validation = data});
// Keras: ReduceLROnPlateau(factor, patience, min_delta=threshold, cooldown, min_lr=least)
// PyTorch: lr_scheduler.ReduceLROnPlateau(opt, factor=factor, patience=patience - 1), whose threshold is a fraction
struct ReduceOnPlateau {
  double learning_rate = 0.01;  // the first rate, at least 0
  double factor = 0.1;          // above 0, less than 1
  int patience = 10;            // epochs, at least 1
  double threshold = 1e-4;      // by how much a loss must be lower, at least 0
  int cooldown = 0;             // epochs, at least 0
  double least = 0;             // the lowest rate, at least 0, at most learning_rate
  [[nodiscard]] double operator()(std::int64_t update, const RunContext& run = {}) const;
  [[nodiscard]] static constexpr bool follows_validation() { return true; }
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// Lets another schedule count epochs in place of updates, so that it does not depend on the size of the data set. The
// schedule may be one of your own. The rate is the same for all updates of an epoch.
// Formula: schedule(e), e = the number of epochs that are done
// Errors: those of the schedule; std::invalid_argument in a loop of your own that does not call Trainer::plan()
// Example: const SGD optimizer{.learning_rate = PerEpoch{StepDecay{.learning_rate = 0.1, .factor = 0.1, .every = 30}}};
// Keras: LearningRateScheduler
// PyTorch: a scheduler whose step() is called after each epoch
template <class S>
struct PerEpoch {
  S schedule;  // the schedule that counts epochs
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

// Rises linearly from 0 to the first rate of another schedule, which starts to count after that. The very first update
// has the rate 0.
// Formula: then(0) u / updates before u = updates, then(u - updates) from there on
// Errors: those of the other schedule; std::invalid_argument for a length below 1
// Example: const SGD optimizer{.learning_rate = WarmUp{Cosine{.learning_rate = 0.1, .total = 10'000}, 500}};
// Keras: CosineDecay(0, decay_steps, warmup_target=learning_rate, warmup_steps=updates), for a Cosine
// PyTorch: lr_scheduler.SequentialLR of a LinearLR and the other schedule; a LinearLR cannot begin at 0
template <class S>
struct WarmUp {
  S then;                    // the schedule after the rise
  std::int64_t updates = 1;  // the length of the rise, at least 1
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
