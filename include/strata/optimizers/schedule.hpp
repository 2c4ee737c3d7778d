// SPDX-License-Identifier: BSL-1.0
// Schedule: any learning-rate schedule as one type, held by optimizers as `learning_rate`.
#pragma once
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/optimizers/schedules.hpp>

namespace strata::inline STRATA_ABI {

// A schedule is a struct that gives the learning rate of an update from the number of updates done before it, says what it
// is, and throws std::invalid_argument from validate() if its numbers make no sense. One of your own works like ours. Its
// call operator may take the run too, s(update, run); if it reads the length of the run or the validation losses, members
// `bool follows_length() const` or `bool follows_validation() const` say so.
template <class S>
concept ScheduleFunction = std::copy_constructible<S> &&
                           (std::is_invocable_r_v<double, const S&, std::int64_t> ||
                            std::is_invocable_r_v<double, const S&, std::int64_t, const RunContext&>) &&
                           requires(const S& s) {
                             { s.describe() } -> std::convertible_to<std::string>;
                             s.validate();
                           };

// Copies share the schedule, which never changes; asking for a rate allocates nothing.
class Schedule {
 public:
  Schedule(double learning_rate);  // NOLINT: SGD{.learning_rate = 0.01}
#if defined(STRATA_COMPILED)
  // The schedules of the library are compiled once.
  Schedule(const ConstantRate& s);      // NOLINT: likewise
  Schedule(const InverseTimeDecay& s);  // NOLINT
  Schedule(const StepDecay& s);         // NOLINT
  Schedule(const Cosine& s);            // NOLINT
  Schedule(const OneCycle& s);          // NOLINT
  Schedule(const CosineRestarts& s);    // NOLINT
  Schedule(const MultiStep& s);         // NOLINT
  Schedule(const PiecewiseLinear& s);   // NOLINT
  Schedule(const ReduceOnPlateau& s);   // NOLINT
#endif
  template <class S>
    requires(!std::same_as<S, Schedule> && ScheduleFunction<S>)
  Schedule(S s) {  // NOLINT
    hold(std::move(s));
  }

  // update: the number of updates done before. Throws std::invalid_argument if the schedule needs to know more of the run.
  [[nodiscard]] double operator()(std::int64_t update, const RunContext& run = {}) const { return rate_(update, run); }
  // Whether the rate depends on the length of the run: a resumed run must have the same.
  [[nodiscard]] bool follows_length() const { return follows_length_; }
  // Whether it depends on validation losses: training needs a validation.
  [[nodiscard]] bool follows_validation() const { return follows_validation_; }
  // Throws std::invalid_argument.
  void validate() const { validate_(); }
  // For the record of a run: InverseTimeDecay{learning_rate 0.01, decay 0.0005}.
  [[nodiscard]] std::string describe() const { return describe_(); }

 private:
  template <class S>
  void hold(S s) {
    const auto own = std::make_shared<const S>(std::move(s));
    rate_ = [own](std::int64_t update, const RunContext& run) { return detail::rate_of(*own, update, run); };
    follows_length_ = detail::follows_length(*own);
    follows_validation_ = detail::follows_validation(*own);
    validate_ = [own] { own->validate(); };
    describe_ = [own] { return own->describe(); };
  }

  std::function<double(std::int64_t, const RunContext&)> rate_;
  std::function<void()> validate_;
  std::function<std::string()> describe_;
  bool follows_length_ = false, follows_validation_ = false;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/optimizers/schedule_impl.hpp>
#endif
