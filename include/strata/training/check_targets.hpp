// SPDX-License-Identifier: BSL-1.0
// Checks targets before a step changes anything.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

#include <strata/core/target.hpp>
#include <strata/data/targets.hpp>

namespace strata::detail {

// Throws std::invalid_argument unless there are `each` elements for each of `samples` samples, class indices are in
// [0, width), labels in [0, 1], a distribution has no negative number and the sum 1, and all are finite. indices: of the
// samples in their data set, for the message; empty: their places in the batch.
inline void check_targets(TargetKind kind, const Targets& targets, std::size_t samples, std::size_t each, int width,
                          std::span<const std::uint32_t> indices = {}) {
  const std::size_t count = is_class(kind) ? targets.classes.size() : targets.values.size();
  if (count != samples * each)
    throw std::invalid_argument("strata: " + std::to_string(count) +
                                (kind == TargetKind::class_index ? " labels" : " numbers") + " as targets of " +
                                std::to_string(samples) + " images; expected " + std::to_string(samples * each));
  const auto image = [&](std::size_t element) {
    const std::size_t sample = element / each;
    return " of image " + std::to_string(sample < indices.size() ? indices[sample] : sample);
  };
  if (is_class(kind)) {
    for (std::size_t i = 0; i < count; ++i)
      if (targets.classes[i] < 0 || targets.classes[i] >= width)
        throw std::invalid_argument("strata: label " + std::to_string(targets.classes[i]) + image(i) + " is not in [0, " +
                                    std::to_string(width) + ")");
    return;
  }
  const bool fraction = kind != TargetKind::values;
  for (std::size_t i = 0; i < count; ++i) {
    const float t = targets.values[i];
    if (!std::isfinite(t) || (fraction && !(t >= 0 && t <= 1)))
      throw std::invalid_argument("strata: the target " + std::to_string(t) + image(i) +
                                  (fraction ? " is not in [0, 1]" : " is not finite"));
  }
  if (kind != TargetKind::distribution) return;
  for (std::size_t n = 0; n < samples; ++n) {
    double sum = 0;
    for (std::size_t i = n * each; i < (n + 1) * each; ++i) sum += static_cast<double>(targets.values[i]);
    if (std::abs(sum - 1) > 1e-3)
      throw std::invalid_argument("strata: the probabilities" + image(n * each) + " have the sum " + std::to_string(sum) +
                                  "; expected 1");
  }
}

}  // namespace strata::detail
