// SPDX-License-Identifier: BSL-1.0
// Where branches meet: sums for Residual, copies of channels for Concat.
#pragma once
#include <cstdint>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::reference {

template <class T>
void add_forward(std::int64_t n, const T* a, const T* b, T* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

// Copies a branch (rows, channels) into the whole (rows, total) from channel `offset` on; concat_take copies it back.
template <class T>
void concat_copy(std::int64_t rows, int channels, const T* branch, int total, int offset, T* whole) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (int c = 0; c < channels; ++c) whole[r * total + offset + c] = branch[r * channels + c];
}
template <class T>
void concat_take(std::int64_t rows, int channels, T* branch, int total, int offset, const T* whole) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (int c = 0; c < channels; ++c) branch[r * channels + c] = whole[r * total + offset + c];
}

}  // namespace strata::inline STRATA_ABI::reference
