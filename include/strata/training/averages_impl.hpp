// SPDX-License-Identifier: BSL-1.0
// The functions of averages.hpp.
#pragma once
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/training/averages.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

STRATA_DEFINE void check_keep(const char* what, double x) {
  if (!(x >= 0 && x < 1)) refuse(what, x, "at least 0, less than 1");
}

}  // namespace detail

STRATA_DEFINE void EMA::validate() const {
  detail::check_keep("the decay of an EMA", decay);
  detail::check_updates("the step of an EMA", every);
}
STRATA_DEFINE std::string EMA::describe() const {
  return "EMA{decay " + detail::number_text(decay) + ", every " + std::to_string(every) + "}";
}

STRATA_DEFINE AverageStep SWA::operator()(std::int64_t updates, const RunContext& run) const {
  const std::int64_t length = detail::updates_of_epoch(run, "SWA"), epoch = updates / length;
  if (updates <= first * length) return {.keep = 0};  // training may end before there is a mean
  if (updates % length != 0) return {};
  const std::int64_t since = epoch - first;
  if (since % every != 0) return {};
  const auto n = static_cast<double>(since / every);
  return {.keep = n / (n + 1)};
}
STRATA_DEFINE void SWA::validate() const {
  if (first < 1) detail::refuse("the first epoch of an SWA", first, "at least 1");
  if (every < 1) detail::refuse("the step of an SWA", every, "at least 1 epoch");
}
STRATA_DEFINE std::string SWA::describe() const {
  return "SWA{first " + std::to_string(first) + ", every " + std::to_string(every) + "}";
}

STRATA_DEFINE AverageStep Lookahead::operator()(std::int64_t updates, const RunContext& run) const {
  const std::int64_t begin = first > 0 ? first * detail::updates_of_epoch(run, "Lookahead") : 0;
  if (updates <= begin) return {.keep = updates == begin ? 0. : 1.};
  AverageStep step;
  if (updates % every == 0) {
    step = AverageStep{.keep = keep, .copy_back = true};
    if (power > 0) {
      const double part = static_cast<double>(updates) / static_cast<double>(detail::updates_of_run(run, "Lookahead"));
      for (int i = 0; i < power; ++i) step.keep *= part;
    }
  }
  if ((run.epoch > 0 && updates % run.epoch == 0) || updates == run.updates) step.copy_back = true;
  return step;
}
STRATA_DEFINE void Lookahead::validate() const {
  detail::check_updates("the step of a Lookahead", every);
  detail::check_keep("the share that a Lookahead keeps", keep);
  if (power < 0) detail::refuse("the power of a Lookahead", power, "at least 0");
  if (first < 0) detail::refuse("the epochs before a Lookahead", first, "at least 0");
}
STRATA_DEFINE std::string Lookahead::describe() const {
  return "Lookahead{every " + std::to_string(every) + ", keep " + detail::number_text(keep) + ", power " +
         std::to_string(power) + ", first " + std::to_string(first) + "}";
}

}  // namespace strata::inline STRATA_ABI
