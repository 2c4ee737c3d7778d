// SPDX-License-Identifier: BSL-1.0
// PReLU: a slope for each channel. x (rows,C), slopes (C).
#pragma once
#include <cstdint>

#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu {

template <class T>
void prelu_forward(std::int64_t rows, int channels, const T* x, const T* slopes, T* y, ThreadPool& pool) {
  for_rows(rows, channels, pool, [=](std::int64_t r) {
    const ConstArray<T> in(x + r * channels, channels);
    Array<T>(y + r * channels, channels) = (in > T{0}).select(in, in * ConstArray<T>(slopes, channels));
  });
}
// dx may be null if it is not wanted.
template <class T>
void prelu_backward(std::int64_t rows, int channels, const T* x, const T* slopes, const T* dy, T* dx, T* dslopes,
                    ThreadPool& pool) {
  constexpr int most = 64;
  for_chunks(
      channels, pool,
      [=](std::int64_t first, std::int64_t count) {
        Array<T>(dslopes + first, count) = sum_rows<T, most>(rows, count, [&](auto& sums, std::int64_t r) {
          const ConstArray<T> in(x + r * channels + first, count), gradient(dy + r * channels + first, count);
          sums += (in > T{0}).select(T{0}, in * gradient);
        });
      },
      most);
  if (!dx) return;
  for_rows(rows, channels, pool, [=](std::int64_t r) {
    const ConstArray<T> in(x + r * channels, channels), gradient(dy + r * channels, channels);
    Array<T>(dx + r * channels, channels) = (in > T{0}).select(gradient, gradient * ConstArray<T>(slopes, channels));
  });
}

}  // namespace strata::inline STRATA_ABI::cpu
