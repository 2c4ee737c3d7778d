// SPDX-License-Identifier: BSL-1.0
// Where branches meet: sums for Residual, products for Gate, copies of channels for Concat; and other orders of channels.
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

// y = x gate: x (samples,area,C), gate (samples,C).
template <class T>
void gate_forward(std::int64_t samples, std::int64_t area, int channels, const T* x, const T* gate, T* y) {
  for (std::int64_t i = 0; i < samples * area * channels; ++i)
    y[i] = x[i] * gate[i / (area * channels) * channels + i % channels];
}
template <class T>
void gate_backward(std::int64_t samples, std::int64_t area, int channels, const T* x, const T* gate, const T* dy, T* dx,
                   T* dgate) {
  for (std::int64_t i = 0; i < samples * channels; ++i) dgate[i] = T(0);
  for (std::int64_t i = 0; i < samples * area * channels; ++i) {
    const std::int64_t g = i / (area * channels) * channels + i % channels;
    dx[i] = dy[i] * gate[g];
    dgate[g] += dy[i] * x[i];
  }
}

// y[j groups + i] = x[i C / groups + j] in each row of x (rows,C).
template <class T>
void shuffle_channels(std::int64_t rows, int channels, int groups, const T* x, T* y) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (int i = 0; i < groups; ++i)
      for (int j = 0; j < channels / groups; ++j)
        y[r * channels + j * groups + i] = x[r * channels + i * (channels / groups) + j];
}

}  // namespace strata::inline STRATA_ABI::reference
