// SPDX-License-Identifier: BSL-1.0
// Updates of parameters on the processor.
#pragma once
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include <strata/backend/cpu/chunks.hpp>
#include <strata/optimizers/parameter_groups.hpp>
#include <strata/optimizers/update.hpp>

namespace strata::cpu {

inline constexpr std::int64_t update_chunk = 65536;

// If the gradients' norm over all ranges that are not frozen is above `limit`, scales them down to it. Returns false, and
// changes nothing, if the norm is infinite or NaN. The sum is in double precision, in fixed parts, so that it does not
// depend on the number of threads.
template <class T>
[[nodiscard]] bool clip_by_norm(std::span<const strata::detail::ParameterRange> ranges, double limit, T* g,
                                ThreadPool& pool) {
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

// w[i] becomes element(w[i], g[i], the slots of i). Slot k of parameter i is slot_data[k * stride + i];
// slot_data is null if there are none.
template <class Element, class T>
void update_elements(const Element& element, std::int64_t n, T* w, const T* g, T* slot_data, std::int64_t stride,
                     ThreadPool& pool) {
  for_chunks(
      n, pool,
      [=](std::int64_t first, std::int64_t count) {
        T* __restrict weight = w + first;
        const T* __restrict gradient = g + first;
        for (std::int64_t i = 0; i < count; ++i)
          weight[i] = element(weight[i], gradient[i], SlotsOf<T>{slot_data, stride, first + i});
      },
      update_chunk);
}

}  // namespace strata::cpu
