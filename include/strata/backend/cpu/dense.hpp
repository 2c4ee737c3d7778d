// SPDX-License-Identifier: BSL-1.0
// Fully connected layers: x (N,in), w (in,units), y (N,units). Work is cut into blocks of columns.
#pragma once
#include <algorithm>

#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/gemm.hpp>
#include <strata/backend/cpu/skinny_gemm.hpp>

namespace strata::cpu {

namespace detail {
// Columns of a task. Each task packs the other operand, so that there are as few tasks as keep the threads evenly busy. The
// bits are independent of how columns are cut.
inline constexpr int dense_least = 256, dense_most = 1024;
inline int dense_block(int n, int threads) {
  return std::clamp(n / (4 * threads) / dense_least * dense_least, dense_least, dense_most);
}

// Up to this many samples are a skinny product.
inline constexpr int skinny_samples = 7;

template <class T>
constexpr std::int64_t dense_gemm_scratch(int in, int units, int batch) {
  const int largest = std::max(std::max(in, units), batch);
  const int block = std::min(dense_most, std::max(in, units));
  return std::max(gemm_scratch<T>(batch, block, largest), gemm_scratch<T>(block, units, batch));
}
}  // namespace detail

template <class T>
constexpr std::int64_t dense_scratch(int in, int units, int batch, int threads) {
  return std::max<std::int64_t>(threads * detail::dense_gemm_scratch<T>(in, units, batch),
                                detail::skinny_scratch(std::min(batch, detail::skinny_samples), units));
}

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

}  // namespace strata::cpu
