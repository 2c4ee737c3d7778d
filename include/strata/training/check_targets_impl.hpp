// SPDX-License-Identifier: BSL-1.0
// The functions of check_targets.hpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/training/check_targets.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE void check_targets(TargetKind kind, const Targets& targets, std::size_t samples, std::size_t each, int width,
                                 std::span<const std::uint32_t> indices) {
  const std::size_t count = is_class(kind) ? targets.classes.size() : targets.values.size();
  if (count != samples * each)
    throw std::invalid_argument("strata: " + std::to_string(count) +
                                (kind == TargetKind::class_index ? " labels" : " numbers") + " as targets of " +
                                std::to_string(samples) + " images; expected " + std::to_string(samples * each));
  for (std::size_t n = 0; n < samples; ++n) {
    if (const auto fault = target_fault(kind, width, targets.sample(n, each)))
      throw std::invalid_argument("strata: image " + std::to_string(n < indices.size() ? indices[n] : n) + " has " +
                                  fault->found + "; expected " + fault->expected);
  }
}

STRATA_DEFINE void check_class_count(int found, std::int64_t outputs) {
  if (found != outputs)
    throw std::invalid_argument("strata: the data set has " + std::to_string(found) + " classes; the network has " +
                                std::to_string(outputs) + " outputs");
}

}  // namespace strata::inline STRATA_ABI::detail
