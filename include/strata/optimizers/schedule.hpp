// SPDX-License-Identifier: BSL-1.0
// Schedule: any learning-rate schedule as one type, held by optimizers as `learning_rate`.
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <strata/optimizers/schedules.hpp>

namespace strata {

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
  Schedule(double learning_rate) : Schedule(ConstantRate{learning_rate}) {}  // NOLINT: SGD{.learning_rate = 0.01}
  template <class S>
    requires(!std::same_as<S, Schedule> && ScheduleFunction<S>)
  Schedule(S s) : any_(std::make_shared<const Holder<S>>(std::move(s))) {}  // NOLINT: likewise

  // update: the number of updates done before.
  [[nodiscard]] double operator()(std::int64_t update) const { return any_->rate(update); }
  // Throws std::invalid_argument.
  void validate() const { any_->validate(); }
  // For the record of a run: InverseTimeDecay{learning_rate 0.01, decay 0.0005}.
  [[nodiscard]] std::string describe() const { return any_->describe(); }

 private:
  struct Base {
    Base() = default;
    Base(const Base&) = delete;
    Base& operator=(const Base&) = delete;
    virtual ~Base() = default;
    [[nodiscard]] virtual double rate(std::int64_t update) const = 0;
    virtual void validate() const = 0;
    [[nodiscard]] virtual std::string describe() const = 0;
  };
  template <class S>
  struct Holder final : Base {
    explicit Holder(S s) : schedule(std::move(s)) {}
    [[nodiscard]] double rate(std::int64_t update) const override { return schedule(update); }
    void validate() const override { schedule.validate(); }
    [[nodiscard]] std::string describe() const override { return schedule.describe(); }
    S schedule;
  };
  std::shared_ptr<const Base> any_;
};

}  // namespace strata
