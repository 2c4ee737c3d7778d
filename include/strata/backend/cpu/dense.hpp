// SPDX-License-Identifier: BSL-1.0
// Fully connected layers: x (N,in), w (in,units), y (N,units). Work is cut into blocks of columns.
#pragma once
#include <algorithm>

#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/gemm.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/backend/cpu/skinny_gemm.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu {

namespace detail {
inline int dense_block(int n, int threads) {
  const int block = n / (4 * threads) / dense_least * dense_least, share = (n + threads - 1) / threads;
  // A small layer has a task for each thread.
  if (share < dense_least) return (share + dense_few - 1) / dense_few * dense_few;
  return std::clamp(block, dense_least, dense_most);
}

}  // namespace detail

namespace detail {
// Calls f(first, count, scratch of this worker) for each block of columns.
template <class T, class F>
void for_blocks(int n, std::int64_t scratch_each, T* scratch, ThreadPool& pool, F&& f) {
  const int block = dense_block(n, pool.size());
  pool.parallel_for((n + block - 1) / block, [&](int task, int worker) {
    const int first = task * block;
    f(first, std::min(block, n - first), scratch + worker * scratch_each);
  });
}
}  // namespace detail

// skip_zeros: see skinny_gemm.hpp.
template <class T>
void dense_forward(int in, int units, int batch, const T* x, const T* w, const T* bias, T* y, ThreadPool& pool, T* scratch,
                   bool skip_zeros = false) {
  if (batch <= detail::skinny_samples) {
    detail::dense_skinny(in, units, batch, x, w, bias, y, skip_zeros, pool, scratch);
    return;
  }
  const std::int64_t each = detail::dense_gemm_scratch<T>(in, units, batch);
  detail::for_blocks(units, each, scratch, pool, [=](int first, int count, T* mine) {
    if (bias)
      for (int i = 0; i < batch; ++i) std::copy_n(bias + first, count, y + static_cast<std::int64_t>(i) * units + first);
    gemm(false, false, batch, count, in, x, in, w + first, units, y + first, units, bias != nullptr, mine);
  });
}

template <class T>
void dense_backward_input(int in, int units, int batch, const T* dy, const T* w, T* dx, ThreadPool& pool, T* scratch) {
  const std::int64_t each = detail::dense_gemm_scratch<T>(in, units, batch);
  detail::for_blocks(in, each, scratch, pool, [=](int first, int count, T* mine) {
    gemm(false, true, batch, count, units, dy, units, w + static_cast<std::int64_t>(first) * units, units, dx + first, in,
         false, mine);
  });
}

template <class T>
void dense_backward_weights(int in, int units, int batch, const T* x, const T* dy, T* dw, T* db, ThreadPool& pool,
                            T* scratch) {
  const std::int64_t each = detail::dense_gemm_scratch<T>(in, units, batch);
  detail::for_blocks(in, each, scratch, pool, [=](int first, int count, T* mine) {
    gemm(true, false, count, units, batch, x + first, in, dy, units, dw + static_cast<std::int64_t>(first) * units, units,
         false, mine);
  });
  if (!db) return;
  for_chunks(
      units, pool,
      [=](std::int64_t first, std::int64_t count) {
        std::fill_n(db + first, count, T{0});
        for (int i = 0; i < batch; ++i)
          Array<T>(db + first, count) += ConstArray<T>(dy + static_cast<std::int64_t>(i) * units + first, count);
      },
      256);
}

}  // namespace strata::inline STRATA_ABI::cpu
