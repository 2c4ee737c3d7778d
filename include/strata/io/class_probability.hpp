// SPDX-License-Identifier: BSL-1.0
// The outputs of a network as probabilities of named classes.
#pragma once
#include <span>
#include <string>
#include <vector>

#include <strata/core/layer_info.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

struct ClassProbability {
  int number = 0;  // of the class
  std::string name;
  double probability = 0;
};

namespace detail {

// Logits by softmax; logarithms and probabilities as they are meant.
[[nodiscard]] std::vector<double> probabilities_of(std::span<const float> outputs, Values kind);
// The most likely classes, the likeliest first, of equals the one with the lower number.
[[nodiscard]] std::vector<ClassProbability> most_likely(std::span<const double> probabilities,
                                                        std::span<const std::string> names, int top);

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/io/class_probability_impl.hpp>
#endif
