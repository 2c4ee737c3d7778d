// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <array>
#include <cmath>
#include <cstddef>

#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/optimizers.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu {

template <class T>
bool clip_by_norm(std::span<const strata::detail::ParameterRange> ranges, double limit, T* g, ThreadPool& pool) {
  constexpr int parts = 64;
  double square = 0;
  for (const auto& range : ranges) {
    if (range.frozen) continue;
    std::array<double, parts> sums{};
    pool.parallel_for(parts, [&](int part, int) {
      double sum = 0;
      const T* from = g + range.first;
      for (std::int64_t i = range.count * part / parts, end = range.count * (part + 1) / parts; i < end; ++i)
        sum += static_cast<double>(from[i]) * static_cast<double>(from[i]);
      sums[static_cast<std::size_t>(part)] = sum;
    });
    for (const double sum : sums) square += sum;
  }
  const double norm = std::sqrt(square);
  if (!std::isfinite(norm)) return false;
  if (!(norm > limit)) return true;
  const T scale = static_cast<T>(limit / norm);
  for (const auto& range : ranges)
    if (!range.frozen)
      for_chunks(
          range.count, pool,
          [&](std::int64_t first, std::int64_t count) { Array<T>(g + range.first + first, count) *= scale; }, update_chunk);
  return true;
}

#if defined(STRATA_COMPILED)
template bool clip_by_norm(std::span<const strata::detail::ParameterRange>, double, float*, ThreadPool&);
template bool clip_by_norm(std::span<const strata::detail::ParameterRange>, double, double*, ThreadPool&);
#endif

}  // namespace strata::inline STRATA_ABI::cpu
