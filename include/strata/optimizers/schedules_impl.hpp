// SPDX-License-Identifier: BSL-1.0
// The functions of schedules.hpp.
#pragma once
#include <cmath>
#include <cstdint>
#include <numbers>
#include <stdexcept>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/optimizers/schedules.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

STRATA_DEFINE void check_updates(const std::string& what, std::int64_t n) {
  if (n < 1) throw std::invalid_argument("strata: " + what + " is " + std::to_string(n) + " updates; expected at least 1");
}

// From `begin` to `end` along half a cosine, t in [0, 1]; `end` from there on.
STRATA_DEFINE double anneal(double begin, double end, double t) {
  return t >= 1 ? end : end + (begin - end) * (1 + std::cos(std::numbers::pi * t)) / 2;
}

}  // namespace detail

STRATA_DEFINE void ConstantRate::validate() const { detail::check_not_negative("the learning rate", learning_rate); }

STRATA_DEFINE std::string ConstantRate::describe() const { return detail::number_text(learning_rate); }

STRATA_DEFINE void InverseTimeDecay::validate() const {
  detail::check_not_negative("the learning rate", learning_rate);
  detail::check_not_negative("the decay of the learning rate", decay);
}

STRATA_DEFINE std::string InverseTimeDecay::describe() const {
  return "InverseTimeDecay{learning_rate " + detail::number_text(learning_rate) + ", decay " + detail::number_text(decay) +
         "}";
}

STRATA_DEFINE void StepDecay::validate() const {
  detail::check_not_negative("the learning rate", learning_rate);
  if (!(factor > 0 && factor <= 1)) detail::refuse("the factor of a StepDecay", factor, "more than 0, at most 1");
  detail::check_updates("the step of a StepDecay", every);
}

STRATA_DEFINE std::string StepDecay::describe() const {
  return "StepDecay{learning_rate " + detail::number_text(learning_rate) + ", factor " + detail::number_text(factor) +
         ", every " + std::to_string(every) + "}";
}

STRATA_DEFINE double Cosine::operator()(std::int64_t update) const {
  return detail::anneal(learning_rate, final, static_cast<double>(update) / static_cast<double>(total));
}

STRATA_DEFINE void Cosine::validate() const {
  detail::check_not_negative("the learning rate", learning_rate);
  detail::check_updates("the length of a Cosine", total);
  detail::check_not_negative("the final learning rate", final);
}

STRATA_DEFINE std::string Cosine::describe() const {
  return "Cosine{learning_rate " + detail::number_text(learning_rate) + ", total " + std::to_string(total) + ", final " +
         detail::number_text(final) + "}";
}

STRATA_DEFINE double OneCycle::operator()(std::int64_t update) const {
  const double begin = max / start_divisor, u = static_cast<double>(update), last = static_cast<double>(total) - 1;
  const double peak = fraction * static_cast<double>(total) - 1;
  // A peak at update 0 is 0 or, where the compiler fuses the multiplication and the subtraction, 1e-17.
  if (u <= peak) return peak > 1e-9 ? detail::anneal(begin, max, u / peak) : max;
  return detail::anneal(max, begin / final_divisor, u < last ? (u - peak) / (last - peak) : 1.0);
}

STRATA_DEFINE void OneCycle::validate() const {
  detail::check_not_negative("the highest learning rate", max);
  detail::check_updates("the length of a OneCycle", total);
  if (!(fraction >= 0 && fraction <= 1)) detail::refuse("the fraction of a OneCycle", fraction, "between 0 and 1");
  detail::check_positive("the start divisor of a OneCycle", start_divisor);
  detail::check_positive("the final divisor of a OneCycle", final_divisor);
}

STRATA_DEFINE std::string OneCycle::describe() const {
  return "OneCycle{max " + detail::number_text(max) + ", total " + std::to_string(total) + ", fraction " +
         detail::number_text(fraction) + ", start_divisor " + detail::number_text(start_divisor) + ", final_divisor " +
         detail::number_text(final_divisor) + "}";
}

}  // namespace strata::inline STRATA_ABI
