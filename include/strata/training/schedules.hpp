// SPDX-License-Identifier: BSL-1.0
// Learning-rate schedules: the rate after so many updates. Small values; an optimizer holds any of them as its `rate`.
#pragma once
#include <cmath>
#include <concepts>
#include <cstdint>
#include <numbers>
#include <stdexcept>
#include <string>
#include <variant>

namespace strata {

struct Constant {
  double rate = 0.01;
  [[nodiscard]] constexpr double operator()(std::int64_t) const { return rate; }
};

// rate / (1 + decay * updates): what `decay=` meant in Keras' optimizers. It is not weight decay.
struct InverseTimeDecay {
  double rate = 0.01, decay = 0;
  [[nodiscard]] constexpr double operator()(std::int64_t update) const {
    return rate / (1 + decay * static_cast<double>(update));
  }
};

// rate * factor^(updates / every), the quotient rounded down.
struct StepDecay {
  double rate = 0.01, factor = 0.1;
  std::int64_t every = 1;
  [[nodiscard]] double operator()(std::int64_t update) const {
    return rate * std::pow(factor, static_cast<double>(update / every));
  }
};

namespace detail {
// From `begin` to `end` along half a cosine, t in [0, 1].
inline double anneal(double begin, double end, double t) {
  return end + (begin - end) * (1 + std::cos(std::numbers::pi * (t > 1 ? 1 : t))) / 2;
}
}  // namespace detail

// Half a cosine from rate to final over `total` updates (Loshchilov, Hutter 2017, without restarts).
struct Cosine {
  double rate = 0.01;
  std::int64_t total = 1;
  double final = 0;
  [[nodiscard]] double operator()(std::int64_t update) const {
    return detail::anneal(rate, final, static_cast<double>(update) / static_cast<double>(total));
  }
};

// Up to max over a share of the updates and down again, both along a cosine, as PyTorch's OneCycleLR with its defaults
// (Smith, Topin 2018).
struct OneCycle {
  double max = 0.1;
  std::int64_t total = 1;
  double share = 0.3, start_divisor = 25, final_divisor = 1e4;
  [[nodiscard]] double operator()(std::int64_t update) const {
    const double begin = max / start_divisor, peak = share * static_cast<double>(total) - 1;
    const double u = static_cast<double>(update);
    if (u <= peak) return detail::anneal(begin, max, u / peak);
    return detail::anneal(max, begin / final_divisor, (u - peak) / (static_cast<double>(total) - 1 - peak));
  }
};

// Linear from rate / updates to the rate of what follows, over the first updates.
template <class Then>
struct WarmUp {
  Then then;
  std::int64_t updates = 1;
  [[nodiscard]] double operator()(std::int64_t update) const {
    const double rate = then(update);
    return update < updates ? rate * static_cast<double>(update + 1) / static_cast<double>(updates) : rate;
  }
};

class Schedule {
 public:
  Schedule(double rate) : any_(Constant{rate}) {}  // NOLINT: SGD{.rate = 0.01} is meant to work
  template <class S>
    requires std::constructible_from<std::variant<Constant, InverseTimeDecay, StepDecay, Cosine, OneCycle, WarmUp<Constant>,
                                                  WarmUp<InverseTimeDecay>, WarmUp<Cosine>>,
                                     S>
  Schedule(S s) : any_(s) {}  // NOLINT: likewise

  [[nodiscard]] double operator()(std::int64_t update) const {
    return std::visit([update](const auto& s) { return static_cast<double>(s(update)); }, any_);
  }
  // Throws std::invalid_argument where a first rate is negative or not a number.
  void validate() const {
    const double first = (*this)(0);
    if (!(first >= 0) || !std::isfinite(first))
      throw std::invalid_argument("strata: learning rate " + std::to_string(first) + " is not zero or more");
  }

 private:
  std::variant<Constant, InverseTimeDecay, StepDecay, Cosine, OneCycle, WarmUp<Constant>, WarmUp<InverseTimeDecay>,
               WarmUp<Cosine>>
      any_;
};

}  // namespace strata
