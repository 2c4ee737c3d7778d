// SPDX-License-Identifier: BSL-1.0
// Splits element-wise work into chunks of a fixed size. Results are independent of the number of threads.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/util/thread_pool.hpp>

namespace strata::inline STRATA_ABI::cpu {

// Calls f(first, count) over [0, n).
template <class F>
void for_chunks(std::int64_t n, ThreadPool& pool, F&& f, std::int64_t chunk = 16384) {
  pool.parallel_for(static_cast<int>((n + chunk - 1) / chunk), [&](int task, int) {
    const std::int64_t first = task * chunk;
    f(first, std::min(chunk, n - first));
  });
}

// Calls f(i) for each i of [0, n).
template <class F>
void for_elements(std::int64_t n, ThreadPool& pool, const F& f, std::int64_t chunk = 16384) {
  for_chunks(
      n, pool,
      [&f](std::int64_t first, std::int64_t count) {
        for (std::int64_t i = first; i < first + count; ++i) f(i);
      },
      chunk);
}
// The same for rows of `width` elements.
template <class F>
void for_rows(std::int64_t rows, int width, ThreadPool& pool, const F& f) {
  for_elements(rows, pool, f, std::max(1, 16384 / width));
}

}  // namespace strata::inline STRATA_ABI::cpu
