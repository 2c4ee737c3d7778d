// SPDX-License-Identifier: BSL-1.0
// Splits element-wise work into pieces of a fixed size, whatever the number of threads, so that results do not depend on
// it.
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

// Sums over rows of `count` numbers, `Most` at most; add(sums, r) adds row r. In T over blocks of rows and in double from
// block to block: a float that has counted to 2^24 grows no more.
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
