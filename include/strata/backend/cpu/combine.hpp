// SPDX-License-Identifier: BSL-1.0
// Where branches meet: sums for Residual, copies of channels for Concat.
#pragma once
#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu {

// y = a + b; y may be a or b.
template <class T>
void add_forward(std::int64_t n, const T* a, const T* b, T* y, ThreadPool& pool) {
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
    Array<T>(y + first, count) = ConstArray<T>(a + first, count) + ConstArray<T>(b + first, count);
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

}  // namespace strata::inline STRATA_ABI::cpu
