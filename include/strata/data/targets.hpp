// SPDX-License-Identifier: BSL-1.0
// The targets of a batch: class numbers or floats. core/target.hpp says which, and how many a sample has.
#pragma once
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/core/target.hpp>

namespace strata::inline STRATA_ABI {

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
  // The target of sample n, if each has `size` elements.
  [[nodiscard]] constexpr Targets sample(std::size_t n, std::size_t size) const { return part(n, 1, size); }
  // Those of `count` samples from sample n on.
  [[nodiscard]] constexpr Targets part(std::size_t n, std::size_t count, std::size_t size) const {
    return classes.empty() ? Targets(values.subspan(n * size, count * size))
                           : Targets(classes.subspan(n * size, count * size));
  }
};

namespace detail {

std::string label_text(int label);
std::string range_text(int classes);

// Why a kind of target does not allow a sample's elements: "label 12", expected "0 to 9".
struct TargetFault {
  std::string found, expected;
};
// The first fault: class indices are in [0, classes), labels in [0, 1], a distribution has no negative number and the sum
// 1, and all numbers are finite.
std::optional<TargetFault> target_fault(TargetKind kind, int classes, const Targets& sample);

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/data/targets_impl.hpp>
#endif
