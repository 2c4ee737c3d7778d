// SPDX-License-Identifier: BSL-1.0
// The functions of targets.hpp.
#pragma once
#include <cmath>
#include <optional>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/data/targets.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

STRATA_DEFINE std::string label_text(int label) { return "label " + std::to_string(label); }

STRATA_DEFINE std::string range_text(int classes) { return "0 to " + std::to_string(classes - 1); }

STRATA_DEFINE std::optional<TargetFault> target_fault(TargetKind kind, int classes, const Targets& sample) {
  for (const int label : sample.classes)
    if (label < 0 || label >= classes) return TargetFault{label_text(label), range_text(classes)};
  const bool bounded = kind != TargetKind::values;
  double sum = 0;
  for (const float x : sample.values) {
    if (!std::isfinite(x) || (bounded && !(x >= 0 && x <= 1)))
      return TargetFault{"a target of " + number_text(static_cast<double>(x)), bounded ? "0 to 1" : "a finite number"};
    sum += static_cast<double>(x);
  }
  if (kind == TargetKind::distribution && std::abs(sum - 1) > 1e-3)
    return TargetFault{"probabilities that sum to " + number_text(sum), "a sum of 1"};
  return {};
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
