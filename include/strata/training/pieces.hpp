// SPDX-License-Identifier: BSL-1.0
// Numbers divided among processes: buckets that are sent one after the other, and a piece of each bucket for each process.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

struct Piece {
  std::int64_t first = 0, count = 0;
};

// The numbers, of `count`, that one of `size` processes sums for all, and updates if the update is split: whole cache
// lines.
[[nodiscard]] constexpr Piece piece_of(std::int64_t count, int rank, int size) {
  const std::int64_t each = ((count + size - 1) / size + 63) / 64 * 64;
  const std::int64_t first = std::min(rank * each, count);
  return {first, std::min(each, count - first)};
}

// 4 MiB of float32: large enough for a network's bandwidth, and small enough that the first sums begin early.
inline constexpr std::int64_t numbers_of_bucket = std::int64_t{1} << 20;

// Calls f(first, count) for each bucket, from the last to the first.
template <class F>
void each_bucket(std::int64_t count, F&& f) {
  for (std::int64_t end = count; end > 0;) {
    const std::int64_t n = std::min(numbers_of_bucket, end);
    end -= n;
    f(end, n);
  }
}

}  // namespace strata::inline STRATA_ABI::detail
