// SPDX-License-Identifier: BSL-1.0
// The functions of class_probability.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/io/class_probability.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE std::vector<double> probabilities_of(std::span<const float> outputs, Values kind) {
  std::vector<double> p(outputs.begin(), outputs.end());
  if (kind == Values::probabilities) return p;
  const double largest = kind == Values::log_probabilities ? 0 : *std::max_element(p.begin(), p.end());
  for (double& x : p) x = std::exp(x - largest);
  if (kind == Values::log_probabilities) return p;
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& x : p) x /= sum;
  return p;
}

STRATA_DEFINE std::vector<ClassProbability> most_likely(std::span<const double> probabilities,
                                                        std::span<const std::string> names, int top) {
  std::vector<std::size_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t x, std::size_t y) {
    return probabilities[x] != probabilities[y] ? probabilities[x] > probabilities[y] : x < y;
  });
  order.resize(std::min(order.size(), static_cast<std::size_t>(std::max(top, 0))));
  std::vector<ClassProbability> classes;
  for (const std::size_t c : order) classes.push_back({static_cast<int>(c), names[c], probabilities[c]});
  return classes;
}

}  // namespace strata::inline STRATA_ABI::detail
