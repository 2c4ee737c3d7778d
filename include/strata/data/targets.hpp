// SPDX-License-Identifier: BSL-1.0
// The targets of a batch: class numbers or floats. core/target.hpp says which, and how many a sample has.
#pragma once
#include <concepts>
#include <span>

namespace strata {

// Refers to memory of the caller's. At most one of the two is not empty. Anything contiguous converts to it:
// trainer.step(images, labels) takes a std::vector<int> as well as a std::span<const float>.
struct Targets {
  std::span<const int> classes{};   // of a class_index (N) or a class_map (N,H,W)
  std::span<const float> values{};  // of labels, values or a distribution (N,output)

  constexpr Targets() = default;
  template <class Range>
    requires std::convertible_to<const Range&, std::span<const int>>
  constexpr Targets(const Range& range) : classes(range) {}
  template <class Range>
    requires std::convertible_to<const Range&, std::span<const float>>
  constexpr Targets(const Range& range) : values(range) {}

  [[nodiscard]] constexpr bool empty() const { return classes.empty() && values.empty(); }
};

}  // namespace strata
