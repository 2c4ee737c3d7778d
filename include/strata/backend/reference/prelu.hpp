// SPDX-License-Identifier: BSL-1.0
// PReLU: a slope for each channel. x (rows,C), slopes (C).
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::reference {

template <class T>
void prelu_forward(std::int64_t rows, int channels, const T* x, const T* slopes, T* y) {
  for (std::int64_t i = 0; i < rows * channels; ++i) y[i] = x[i] > T(0) ? x[i] : slopes[i % channels] * x[i];
}
template <class T>
void prelu_backward(std::int64_t rows, int channels, const T* x, const T* slopes, const T* dy, T* dx, T* dslopes) {
  std::fill_n(dslopes, channels, T(0));
  for (std::int64_t i = 0; i < rows * channels; ++i) {
    const std::int64_t c = i % channels;
    dx[i] = x[i] > T(0) ? dy[i] : slopes[c] * dy[i];
    if (!(x[i] > T(0))) dslopes[c] += x[i] * dy[i];
  }
}

}  // namespace strata::inline STRATA_ABI::reference
