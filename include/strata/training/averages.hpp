// SPDX-License-Identifier: BSL-1.0
// Averages of the weights over the updates of a run, BatchNorm's statistics included: {.average = EMA{.decay = 0.999}} of
// train(), or Trainer::average_by(). The average begins as the weights with which training begins.
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

// What happens after an update.
struct AverageStep {
  double keep = 1;         // average = keep * average + (1 - keep) * weights; 1 leaves it as it is
  bool copy_back = false;  // then the network goes on from the average
};

// An average is a struct that says what happens after each update; `updates` of them are done, from 1. `evaluated` says
// whether validations, the best weights and the trained model have the average in place of the network's own weights.
// Otherwise it is a part of the way to them. If the call reads the length of the run, a member `bool follows_length()
// const` says so. One of your own works like ours.
template <class A>
concept AverageFunction = std::copy_constructible<A> && requires(const A& a, std::int64_t updates, const RunContext& run) {
  { a(updates, run) } -> std::convertible_to<AverageStep>;
  { A::evaluated } -> std::convertible_to<bool>;
  { a.describe() } -> std::convertible_to<std::string>;
  a.validate();
};

// The exponential moving average: average = decay * average + (1 - decay) * weights after each `every` updates. Keras'
// use_ema with ema_momentum; PyTorch's AveragedModel with get_ema_multi_avg_fn(decay) and use_buffers. Keras averages the
// trained tensors alone, and so does PyTorch without use_buffers.
struct EMA {
  double decay = 0.999;
  std::int64_t every = 1;  // updates

  static constexpr bool evaluated = true;
  [[nodiscard]] AverageStep operator()(std::int64_t updates, const RunContext&) const {
    return {.keep = updates % every == 0 ? decay : 1};
  }
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// Stochastic weight averaging (Izmailov et al. 2018): the mean of the weights at the ends of epochs `first`, first + every,
// ...; before them, the weights themselves. PyTorch's AveragedModel, updated after each epoch. The statistics
// of BatchNorm are averaged too; PyTorch computes them anew by update_bn().
struct SWA {
  int first = 1;  // epoch, from 1
  int every = 1;  // epochs

  static constexpr bool evaluated = true;
  [[nodiscard]] AverageStep operator()(std::int64_t updates, const RunContext& run) const;
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// Lookahead (Zhang et al. 2019): after each `every` updates the average takes a step towards the weights, and the network
// goes on from it: average = k * average + (1 - k) * weights, k = keep * (updates / updates of the run)^power. The default
// is the paper's. It begins after `first` epochs, from the weights of that moment; where an epoch or the run ends between
// two steps, the network gets the average as it is, so that a resumed run may not become longer. keep = 0.95^5 and power =
// 3 are the CIFAR-10 recipe of Jordan 2024.
struct Lookahead {
  std::int64_t every = 5;  // updates
  double keep = 0.5;
  int power = 0;
  int first = 0;  // epochs

  static constexpr bool evaluated = false;
  [[nodiscard]] AverageStep operator()(std::int64_t updates, const RunContext& run) const;
  [[nodiscard]] static constexpr bool follows_length() { return true; }
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// Any such struct as one type, or none. Copies share it.
class Average {
 public:
  Average() = default;
  template <class A>
    requires(!std::same_as<A, Average> && AverageFunction<A>)
  Average(A a) {  // NOLINT: {.average = EMA{}}
    const auto own = std::make_shared<const A>(std::move(a));
    after_ = [own](std::int64_t updates, const RunContext& run) -> AverageStep { return (*own)(updates, run); };
    validate_ = [own] { own->validate(); };
    describe_ = [own] { return own->describe(); };
    evaluated_ = A::evaluated;
    follows_length_ = detail::follows_length(*own);
  }

  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(after_); }
  [[nodiscard]] AverageStep operator()(std::int64_t updates, const RunContext& run) const { return after_(updates, run); }
  [[nodiscard]] bool evaluated() const { return evaluated_; }
  [[nodiscard]] bool follows_length() const { return follows_length_; }
  // Throws std::invalid_argument.
  void validate() const {
    if (validate_) validate_();
  }
  [[nodiscard]] std::string describe() const { return describe_ ? describe_() : "none"; }

 private:
  std::function<AverageStep(std::int64_t, const RunContext&)> after_;
  std::function<void()> validate_;
  std::function<std::string()> describe_;
  bool evaluated_ = false, follows_length_ = false;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/training/averages_impl.hpp>
#endif
