// SPDX-License-Identifier: BSL-1.0
// The position of an element. A device divides 64-bit numbers slowly, and nearly all indices fit into 32 bits.
#pragma once
#include <cstdint>

#include <strata/backend/cuda/element.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>

namespace strata::inline STRATA_ABI::cuda::detail {

// 0 <= i, 0 < n
STRATA_HOST_DEVICE constexpr std::int64_t quotient(std::int64_t i, int n) {
  return i >> 32 == 0 ? static_cast<std::uint32_t>(i) / static_cast<std::uint32_t>(n) : i / n;
}
STRATA_HOST_DEVICE constexpr int remainder(std::int64_t i, int n) { return static_cast<int>(i - quotient(i, n) * n); }

// Element i of (N,H,W,C).
struct Place {
  std::int64_t sample;
  int row, column, channel;
};
STRATA_HOST_DEVICE constexpr Place place_of(Shape s, std::int64_t i) {
  const std::int64_t pixel = quotient(i, s.channels), line = quotient(pixel, s.width), sample = quotient(line, s.height);
  return {sample, static_cast<int>(line - sample * s.height), static_cast<int>(pixel - line * s.width),
          static_cast<int>(i - pixel * s.channels)};
}

}  // namespace strata::inline STRATA_ABI::cuda::detail
