// SPDX-License-Identifier: BSL-1.0
// Splits element-wise work into chunks of a fixed size. Results are independent of the number of threads.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu/eigen.hpp>
#include <strata/util/thread_pool.hpp>

namespace strata::cpu {

template <class T>
using Array = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>;
template <class T>
using ConstArray = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>;

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

// Sums over rows of `count` elements, at most `Most`; add(sums, r) adds row r. It adds in T within a block of rows and in
// double from block to block, because a float that has reached 2^24 does not change when 1 is added.
template <class T, int Most, class Add>
Eigen::Array<T, Eigen::Dynamic, 1, 0, Most, 1> sum_rows(std::int64_t rows, std::int64_t count, Add&& add) {
  constexpr std::int64_t block = 512;
  Eigen::Array<double, Eigen::Dynamic, 1, 0, Most, 1> all(count);
  Eigen::Array<T, Eigen::Dynamic, 1, 0, Most, 1> part(count);
  all.setZero();
  for (std::int64_t first = 0; first < rows; first += block) {
    part.setZero();
    for (std::int64_t r = first; r < std::min(rows, first + block); ++r) add(part, r);
    all += part.template cast<double>();
  }
  return all.template cast<T>();
}

}  // namespace strata::cpu
