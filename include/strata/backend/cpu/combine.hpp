// SPDX-License-Identifier: BSL-1.0
// Where branches meet: sums for Residual, products for Gate, copies of channels for Concat; and other orders of channels.
#pragma once
#include <cstdint>

#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/finish.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu {

// y = a + b; y may be a or b.
template <class T>
void add_forward(std::int64_t n, const T* a, const T* b, T* y, ThreadPool& pool) {
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
    Array<T>(y + first, count) = ConstArray<T>(a + first, count) + ConstArray<T>(b + first, count);
  });
}

// y = max(a + b, 0); NaN stays NaN; y may be a or b.
template <class T>
void add_relu(std::int64_t n, const T* a, const T* b, T* y, ThreadPool& pool) {
  const auto run = detail::FinishKernel<T>::table::of(detail::path_now());
  const T* none = nullptr;
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
    run(1, count, count, a + first, none, none, b + first, Limits::of_relu(), y + first);
  });
}

// Copies a branch (rows, channels) into the whole (rows, total) from channel `offset` on; concat_take copies it back.
template <class T>
void concat_copy(std::int64_t rows, int channels, const T* branch, int total, int offset, T* whole, ThreadPool& pool) {
  for_elements(
      rows, pool, [=](std::int64_t r) { std::copy_n(branch + r * channels, channels, whole + r * total + offset); }, 512);
}
template <class T>
void concat_take(std::int64_t rows, int channels, T* branch, int total, int offset, const T* whole, ThreadPool& pool) {
  for_elements(
      rows, pool, [=](std::int64_t r) { std::copy_n(whole + r * total + offset, channels, branch + r * channels); }, 512);
}

// y = x gate: x (samples,area,C), gate (samples,C).
template <class T>
void gate_forward(std::int64_t samples, std::int64_t area, int channels, const T* x, const T* gate, T* y,
                  ThreadPool& pool) {
  for_rows(samples * area, channels, pool, [=](std::int64_t r) {
    Array<T>(y + r * channels, channels) =
        ConstArray<T>(x + r * channels, channels) * ConstArray<T>(gate + r / area * channels, channels);
  });
}
// dx and dgate may be null.
template <class T>
void gate_backward(std::int64_t samples, std::int64_t area, int channels, const T* x, const T* gate, const T* dy, T* dx,
                   T* dgate, ThreadPool& pool) {
  if (dx) gate_forward(samples, area, channels, dy, gate, dx, pool);
  if (!dgate) return;
  constexpr int most = 64;
  const std::int64_t blocks = (channels + most - 1) / most;
  for_elements(
      samples * blocks, pool,
      [=](std::int64_t task) {
        const std::int64_t sample = task / blocks, first = task % blocks * most;
        const std::int64_t count = std::min<std::int64_t>(most, channels - first);
        Array<T>(dgate + sample * channels + first, count) =
            sum_rows<T, most>(area, count, [&](auto& sums, std::int64_t i) {
              const std::int64_t at = (sample * area + i) * channels + first;
              sums += ConstArray<T>(dy + at, count) * ConstArray<T>(x + at, count);
            });
      },
      std::max<std::int64_t>(1, 16384 / (area * std::min(channels, most))));
}

// y[j groups + i] = x[i C / groups + j] in each row of x (rows,C).
template <class T>
void shuffle_channels(std::int64_t rows, int channels, int groups, const T* x, T* y, ThreadPool& pool) {
  const int width = channels / groups;
  for_rows(rows, channels, pool, [=](std::int64_t r) {
    const T* from = x + r * channels;
    T* to = y + r * channels;
    for (int i = 0; i < groups; ++i)
      for (int j = 0; j < width; ++j) to[j * groups + i] = from[i * width + j];
  });
}

}  // namespace strata::inline STRATA_ABI::cpu
