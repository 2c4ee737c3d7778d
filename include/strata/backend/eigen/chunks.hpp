// SPDX-License-Identifier: BSL-1.0
// Splits element-wise work into pieces of a fixed size, whatever the number of threads, so that results do not depend on
// it.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/eigen/core.hpp>
#include <strata/backend/eigen/thread_pool.hpp>

namespace strata::eigen {

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

}  // namespace strata::eigen
