// SPDX-License-Identifier: BSL-1.0
// The functions of schedules.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
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

STRATA_DEFINE std::int64_t updates_of_epoch(const RunContext& run, const char* who) {
  if (run.epoch < 1)
    throw std::invalid_argument("strata: " + std::string(who) +
                                " counts epochs, but the number of updates in an epoch is not known; train() sets it, and "
                                "Trainer::plan() does in a loop of your own");
  return run.epoch;
}
STRATA_DEFINE std::int64_t updates_of_run(const RunContext& run, const char* who) {
  if (run.updates < 1)
    throw std::invalid_argument("strata: " + std::string(who) +
                                " follows the length of the run, but its number of updates is not known; train() sets it, "
                                "and Trainer::plan() does in a loop of your own");
  return run.updates;
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

STRATA_DEFINE double CosineRestarts::operator()(std::int64_t update) const {
  double begin = learning_rate;
  std::int64_t length = first;
  if (factor == 1) {
    for (std::int64_t n = peak == 1 ? 0 : update / first; n > 0; --n) begin *= peak;
    update %= first;
  }
  for (; factor > 1 && update >= length; length *= factor, begin *= peak) update -= length;
  return detail::anneal(begin, final, static_cast<double>(update) / static_cast<double>(length));
}

STRATA_DEFINE void CosineRestarts::validate() const {
  detail::check_not_negative("the learning rate", learning_rate);
  detail::check_updates("the first cycle of CosineRestarts", first);
  if (factor < 1) detail::refuse("the factor of CosineRestarts", factor, "at least 1");
  if (!(peak > 0 && peak <= 1)) detail::refuse("the peak of CosineRestarts", peak, "more than 0, at most 1");
  detail::check_not_negative("the final learning rate", final);
}

STRATA_DEFINE std::string CosineRestarts::describe() const {
  return "CosineRestarts{learning_rate " + detail::number_text(learning_rate) + ", first " + std::to_string(first) +
         ", factor " + std::to_string(factor) + ", peak " + detail::number_text(peak) + ", final " +
         detail::number_text(final) + "}";
}

STRATA_DEFINE double MultiStep::operator()(std::int64_t update) const {
  double rate = learning_rate;
  for (const std::int64_t n : at)
    if (update >= n) rate *= factor;
  return rate;
}

STRATA_DEFINE void MultiStep::validate() const {
  detail::check_not_negative("the learning rate", learning_rate);
  detail::check_not_negative("the factor of a MultiStep", factor);
  for (const std::int64_t n : at) detail::check_updates("a step of a MultiStep", n);
}

STRATA_DEFINE std::string MultiStep::describe() const {
  std::string text =
      "MultiStep{learning_rate " + detail::number_text(learning_rate) + ", factor " + detail::number_text(factor) + ", at";
  for (const std::int64_t n : at) text += " " + std::to_string(n);
  return text + "}";
}

STRATA_DEFINE double PiecewiseLinear::operator()(std::int64_t update, const RunContext& run) const {
  double x = static_cast<double>(update);
  if (unit == Unit::epochs) x /= static_cast<double>(detail::updates_of_epoch(run, "PiecewiseLinear"));
  if (unit == Unit::runs) x /= static_cast<double>(detail::updates_of_run(run, "PiecewiseLinear"));
  if (x <= points[0].at) return points[0].learning_rate;
  for (std::size_t i = 1; i < points.size(); ++i) {
    const SchedulePoint &a = points[i - 1], &b = points[i];
    if (x < b.at) return a.learning_rate + (b.learning_rate - a.learning_rate) * ((x - a.at) / (b.at - a.at));
  }
  return points.back().learning_rate;
}

STRATA_DEFINE void PiecewiseLinear::validate() const {
  if (points.empty()) throw std::invalid_argument("strata: a PiecewiseLinear has no points");
  for (std::size_t i = 0; i < points.size(); ++i) {
    detail::check_not_negative("a point of a PiecewiseLinear", points[i].at);
    detail::check_not_negative("the learning rate", points[i].learning_rate);
    if (i > 0 && !(points[i].at > points[i - 1].at))
      detail::refuse("a point of a PiecewiseLinear", points[i].at, "more than the point before");
    if (unit == Unit::runs && points[i].at > 1)
      detail::refuse("a point of a PiecewiseLinear of fractions of the run", points[i].at, "at most 1");
  }
}

STRATA_DEFINE std::string PiecewiseLinear::describe() const {
  std::string text = "PiecewiseLinear{";
  for (const SchedulePoint& p : points)
    text += detail::number_text(p.at) + ": " + detail::number_text(p.learning_rate) + ", ";
  return text + "in " + (unit == Unit::updates ? "updates}" : unit == Unit::epochs ? "epochs}" : "runs}");
}

STRATA_DEFINE double ReduceOnPlateau::operator()(std::int64_t, const RunContext& run) const {
  double rate = learning_rate, lowest = std::numeric_limits<double>::infinity();
  int waited = 0, cooling = 0;
  for (const double loss : run.validation_losses) {
    if (cooling > 0) --cooling, waited = 0;
    if (loss < lowest - threshold) {
      lowest = loss, waited = 0;
    } else if (cooling == 0 && ++waited >= patience) {
      rate = std::max(rate * factor, least);
      waited = 0, cooling = cooldown;
    }
  }
  return rate;
}

STRATA_DEFINE void ReduceOnPlateau::validate() const {
  detail::check_not_negative("the learning rate", learning_rate);
  if (!(factor > 0 && factor < 1)) detail::refuse("the factor of a ReduceOnPlateau", factor, "more than 0, less than 1");
  if (patience < 1) detail::refuse("the patience of a ReduceOnPlateau", patience, "at least 1 epoch");
  if (cooldown < 0) detail::refuse("the cooldown of a ReduceOnPlateau", cooldown, "at least 0 epochs");
  detail::check_not_negative("the threshold of a ReduceOnPlateau", threshold);
  detail::check_not_negative("the least learning rate", least);
  if (least > learning_rate) detail::refuse("the least learning rate", least, "at most the learning rate");
}

STRATA_DEFINE std::string ReduceOnPlateau::describe() const {
  return "ReduceOnPlateau{learning_rate " + detail::number_text(learning_rate) + ", factor " + detail::number_text(factor) +
         ", patience " + std::to_string(patience) + ", threshold " + detail::number_text(threshold) + ", cooldown " +
         std::to_string(cooldown) + ", least " + detail::number_text(least) + "}";
}

}  // namespace strata::inline STRATA_ABI
