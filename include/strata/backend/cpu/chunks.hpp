// SPDX-License-Identifier: BSL-1.0
// Splits element-wise work into chunks of a fixed size. Results are independent of the number of threads.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/util/thread_pool.hpp>

namespace strata::inline STRATA_ABI::cpu {

// Equal parts of [0, n) for tasks whose results do not depend on where n is cut: as many for each thread, so that a thread
// has neighbours, and the same in layers that follow each other. A part has at most `most` and, if n has, `least`.
class Parts {
 public:
  Parts(std::int64_t n, std::int64_t most, std::int64_t least, int threads) : n_(n) {
    const std::int64_t wanted = (n + most - 1) / most, even = (wanted + threads - 1) / threads * threads;
    count_ = static_cast<int>(std::max(wanted, std::min(even, n / least)));
  }
  [[nodiscard]] int count() const { return count_; }
  [[nodiscard]] std::int64_t first(int part) const { return n_ * part / count_; }
  [[nodiscard]] std::int64_t size(int part) const { return first(part + 1) - first(part); }

 private:
  std::int64_t n_;
  int count_;
};

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
