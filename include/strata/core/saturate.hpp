// SPDX-License-Identifier: BSL-1.0
// Arithmetic on sizes that cannot overflow. Dimensions multiply far beyond 64 bits before anyone notices; these functions
// stop at a limit instead.
#pragma once
#include <cstdint>
#include <limits>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>

namespace strata::inline STRATA_ABI::detail {

inline constexpr std::int64_t saturated = std::numeric_limits<std::int64_t>::max() / 4;
constexpr std::int64_t saturating_multiply(std::int64_t a, std::int64_t b) {
  return a > 0 && b > saturated / a ? saturated : a * b;
}
template <class... More>
constexpr std::int64_t saturating_multiply(std::int64_t a, std::int64_t b, std::int64_t c, More... more) {
  return saturating_multiply(saturating_multiply(a, b), c, more...);
}
constexpr std::int64_t saturating_add(std::int64_t a, std::int64_t b) { return b > saturated - a ? saturated : a + b; }

// The most elements that a tensor may have: kernels index with int.
inline constexpr std::int64_t max_elements = std::numeric_limits<int>::max();
constexpr int saturate_to_int(std::int64_t n) { return static_cast<int>(n > max_elements ? max_elements : n); }
// Shape::size() that does not overflow.
constexpr std::int64_t saturating_size(Shape s) { return saturating_multiply(s.height, s.width, s.channels); }

}  // namespace strata::inline STRATA_ABI::detail
