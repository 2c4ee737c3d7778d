// SPDX-License-Identifier: BSL-1.0
// Fully connected layers: x (N,in), w (in,units), y (N,units). Work is cut into fixed blocks of columns.
#pragma once
#include <strata/backend/eigen/chunks.hpp>
#include <strata/backend/eigen/gemm.hpp>
#include <strata/backend/eigen/simd.hpp>

namespace strata::eigen {

inline constexpr int dense_block = 256;

namespace detail {
// One sample's inputs are cut into so many shares, whatever the number of threads, each with sums of its own.
inline constexpr int row_shares = 16;

template <class T>
constexpr std::int64_t dense_gemm_scratch(int in, int units, int batch) {
  const int largest = std::max(std::max(in, units), batch);
  const int block = std::min(dense_block, std::max(in, units));
  return std::max(gemm_scratch<T>(batch, block, largest), gemm_scratch<T>(block, units, batch));
}
}  // namespace detail

template <class T>
constexpr std::int64_t dense_scratch(int in, int units, int batch, int threads) {
  return std::max<std::int64_t>(threads * detail::dense_gemm_scratch<T>(in, units, batch),
                                static_cast<std::int64_t>(detail::row_shares) * units + detail::line);
}

namespace detail {
// y += x w for one sample, over the rows of w whose x is not zero, and only those are read: behind a ReLU about half. So a
// NaN or an infinity in a row of w that nothing asks for does not show.
template <class T>
struct OneSampleKernel {
  template <int Bytes>
  STRATA_INLINE static void run(int rows, int units, const T* x, const T* w, T* y) {
    using numbers = vector<T, Bytes>;
    constexpr int lanes = lanes_of<T, Bytes>, most = 4;
    for (int k = 0; k < rows;) {
      const T* row[most];
      T factor[most];
      int count = 0;
      for (; k < rows && count < most; ++k)
        if (x[k] != T{0}) row[count] = w + static_cast<std::int64_t>(k) * units, factor[count++] = x[k];
      if (count == 0) return;
      for (int i = count; i < most; ++i) row[i] = row[0], factor[i] = T{0};
      int u = 0;
      for (; u + lanes <= units; u += lanes) {
        numbers sum, r[most];
        load(sum, y + u);
        STRATA_UNROLL for (int i = 0; i < most; ++i) load(r[i], row[i] + u);
        if (count == most) {
          STRATA_UNROLL for (int i = 0; i < most; ++i) sum += factor[i] * r[i];
        } else {
          for (int i = 0; i < count; ++i) sum += factor[i] * r[i];
        }
        store(y + u, sum);
      }
      for (; u < units; ++u)
        for (int i = 0; i < count; ++i) y[u] += factor[i] * row[i][u];
    }
  }
  using table = versions<OneSampleKernel, int, int, const T*, const T*, T*>;
};

// Each share streams through whole rows of w, at the speed of memory.
template <class T>
void dense_one_sample(int in, int units, const T* x, const T* w, const T* bias, T* y, ThreadPool& pool, T* scratch) {
  const auto run = OneSampleKernel<T>::table::of(path_now());
  T* const sums = aligned(scratch);
  const int share = (in + row_shares - 1) / row_shares;
  pool.parallel_for(row_shares, [=](int task, int) {
    T* const mine = sums + static_cast<std::int64_t>(task) * units;
    std::fill_n(mine, units, T{0});
    const int first = task * share, rows = std::min(share, in - first);
    if (rows > 0) run(rows, units, x + first, w + static_cast<std::int64_t>(first) * units, mine);
  });
  Array<T> total(y, units);
  if (bias)
    total = ConstArray<T>(bias, units);
  else
    total.setZero();
  for (int i = 0; i < row_shares; ++i) total += ConstArray<T>(sums + static_cast<std::int64_t>(i) * units, units);
}

// f(first, count, scratch of this worker) over blocks of columns.
template <class T, class F>
void for_blocks(int n, int block, std::int64_t scratch_each, T* scratch, ThreadPool& pool, F&& f) {
  pool.parallel_for((n + block - 1) / block, [&](int task, int worker) {
    const int first = task * block;
    f(first, std::min(block, n - first), scratch + worker * scratch_each);
  });
}
}  // namespace detail

template <class T>
void dense_forward(int in, int units, int batch, const T* x, const T* w, const T* bias, T* y, ThreadPool& pool,
                   T* scratch) {
  if (batch == 1) {
    detail::dense_one_sample(in, units, x, w, bias, y, pool, scratch);
    return;
  }
  const std::int64_t each = detail::dense_gemm_scratch<T>(in, units, batch);
  detail::for_blocks(units, dense_block, each, scratch, pool, [=](int first, int count, T* mine) {
    if (bias)
      for (int i = 0; i < batch; ++i) std::copy_n(bias + first, count, y + static_cast<std::int64_t>(i) * units + first);
    gemm(false, false, batch, count, in, x, in, w + first, units, y + first, units, bias != nullptr, mine);
  });
}

template <class T>
void dense_backward_input(int in, int units, int batch, const T* dy, const T* w, T* dx, ThreadPool& pool, T* scratch) {
  const std::int64_t each = detail::dense_gemm_scratch<T>(in, units, batch);
  detail::for_blocks(in, dense_block, each, scratch, pool, [=](int first, int count, T* mine) {
    gemm(false, true, batch, count, units, dy, units, w + static_cast<std::int64_t>(first) * units, units, dx + first, in,
         false, mine);
  });
}

template <class T>
void dense_backward_weights(int in, int units, int batch, const T* x, const T* dy, T* dw, T* db, ThreadPool& pool,
                            T* scratch) {
  const std::int64_t each = detail::dense_gemm_scratch<T>(in, units, batch);
  detail::for_blocks(in, dense_block, each, scratch, pool, [=](int first, int count, T* mine) {
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

}  // namespace strata::eigen
