// SPDX-License-Identifier: BSL-1.0
// The functions of losses.hpp.
#pragma once
#include <span>
#include <stdexcept>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/losses/losses.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE void check_class_weights(std::span<const float> weights) {
  bool any = false;
  for (const float w : weights) {
    check_not_negative("the weight of a class", static_cast<double>(w));
    any = any || w > 0;
  }
  if (!any) throw std::invalid_argument("strata: the weights of all classes are 0");
}
STRATA_DEFINE void check_class_weights(int weights, int outputs) {
  if (weights != outputs)
    throw std::invalid_argument("strata: a ClassWeighted of " + std::to_string(weights) +
                                " classes; the network has outputs for " + std::to_string(outputs));
}
STRATA_DEFINE std::string class_weights_text(std::span<const float> weights, const std::string& loss) {
  std::string text = "ClassWeighted{weights";
  for (const float w : weights) text += " " + number_text(static_cast<double>(w));
  return text + ", " + loss + "}";
}

}  // namespace strata::inline STRATA_ABI::detail
