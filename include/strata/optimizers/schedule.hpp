// SPDX-License-Identifier: BSL-1.0
// Schedule: any learning-rate schedule as one type, held by optimizers as `learning_rate`.
#pragma once
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/optimizers/schedules.hpp>

namespace strata::inline STRATA_ABI {

// A schedule is a struct that gives the learning rate of an update from the number of updates done before it, says what it
// is, and throws std::invalid_argument from validate() if its numbers make no sense. One of your own works like ours.
template <class S>
concept ScheduleFunction = std::copy_constructible<S> && requires(const S& s, std::int64_t update) {
  { s(update) } -> std::convertible_to<double>;
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
#endif
  template <class S>
    requires(!std::same_as<S, Schedule> && ScheduleFunction<S>)
  Schedule(S s) {  // NOLINT
    hold(std::move(s));
  }

  // update: the number of updates done before.
  [[nodiscard]] double operator()(std::int64_t update) const { return rate_(update); }
  // Throws std::invalid_argument.
  void validate() const { validate_(); }
  // For the record of a run: InverseTimeDecay{learning_rate 0.01, decay 0.0005}.
  [[nodiscard]] std::string describe() const { return describe_(); }

 private:
  template <class S>
  void hold(S s) {
    const auto own = std::make_shared<const S>(std::move(s));
    rate_ = [own](std::int64_t update) { return (*own)(update); };
    validate_ = [own] { own->validate(); };
    describe_ = [own] { return own->describe(); };
  }

  std::function<double(std::int64_t)> rate_;
  std::function<void()> validate_;
  std::function<std::string()> describe_;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/optimizers/schedule_impl.hpp>
#endif
