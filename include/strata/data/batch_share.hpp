// SPDX-License-Identifier: BSL-1.0
// The share of each batch that one of several processes takes.
#pragma once
#include <cstdint>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

// A batch is divided into `parts` that differ by at most one sample. The share is the parts first ... last - 1. A share of
// a small batch may be empty.
struct BatchShare {
  int parts = 1, first = 0, last = 1;

  // The part's first sample; that of part `parts` is n.
  [[nodiscard]] constexpr std::int64_t begin_of(int part, std::int64_t n) const { return n * part / parts; }
  [[nodiscard]] constexpr std::int64_t begin(std::int64_t n) const { return begin_of(first, n); }
  [[nodiscard]] constexpr std::int64_t size(std::int64_t n) const { return begin_of(last, n) - begin(n); }
  [[nodiscard]] constexpr bool whole() const { return last - first == parts; }
};

}  // namespace strata::inline STRATA_ABI
