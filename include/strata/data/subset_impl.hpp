// SPDX-License-Identifier: BSL-1.0
// The functions of subset.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/subset.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE void check_places(std::span<const std::uint32_t> places, std::size_t size) {
  for (const std::uint32_t place : places)
    if (place >= size)
      throw std::out_of_range("strata: no sample " + std::to_string(place) + " in a data set of " + std::to_string(size));
}

STRATA_DEFINE std::pair<std::vector<std::uint32_t>, std::vector<std::uint32_t>> split_places(std::size_t size,
                                                                                             std::span<const int> labels,
                                                                                             double fraction,
                                                                                             std::uint64_t seed) {
  if (!(fraction > 0 && fraction < 1))
    throw std::invalid_argument("strata: a fraction of " + number_text(fraction) +
                                " cannot be split off; expected a number "
                                "between 0 and 1");
  std::map<int, std::vector<std::uint32_t>> classes;
  for (std::size_t i = 0; i < size; ++i) classes[labels.empty() ? 0 : labels[i]].push_back(static_cast<std::uint32_t>(i));
  std::pair<std::vector<std::uint32_t>, std::vector<std::uint32_t>> parts;
  for (auto& [label, places] : classes) {
    const Random random(seed, Purpose::user, 0x5F11, static_cast<std::uint64_t>(label));
    for (std::size_t i = places.size(); i > 1; --i)  // Fisher, Yates
      std::swap(places[i - 1], places[random.below(static_cast<std::uint32_t>(i), i)]);
    auto count = static_cast<std::size_t>(std::llround(fraction * static_cast<double>(places.size())));
    if (places.size() > 1) count = std::clamp(count, std::size_t{1}, places.size() - 1);
    const auto border = places.begin() + static_cast<std::ptrdiff_t>(count);
    parts.second.insert(parts.second.end(), places.begin(), border);
    parts.first.insert(parts.first.end(), border, places.end());
  }
  std::sort(parts.first.begin(), parts.first.end());
  std::sort(parts.second.begin(), parts.second.end());
  return parts;
}

}  // namespace strata::inline STRATA_ABI::detail
