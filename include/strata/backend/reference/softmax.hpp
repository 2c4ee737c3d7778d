// SPDX-License-Identifier: BSL-1.0
// Softmax and its logarithm over the last axis, (N,classes).
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::reference {

namespace detail {
// log(sum(exp(x))). The largest is subtracted first, so that nothing overflows.
template <class T>
T log_sum_exp(int classes, const T* x) {
  using std::exp;
  using std::log;
  const T top = *std::max_element(x, x + classes);
  T sum(0);
  for (int c = 0; c < classes; ++c) sum += exp(x[c] - top);
  return top + log(sum);
}
}  // namespace detail

template <class T>
void log_softmax_forward(int batch, int classes, const T* x, T* y) {
  for (std::int64_t n = 0; n < batch; ++n) {
    const T all = detail::log_sum_exp(classes, x + n * classes);
    for (std::int64_t i = n * classes; i < (n + 1) * classes; ++i) y[i] = x[i] - all;
  }
}
// dx_i = dy_i - exp(y_i) * sum of dy
template <class T>
void log_softmax_backward(int batch, int classes, const T* y, const T* dy, T* dx) {
  using std::exp;
  for (std::int64_t n = 0; n < batch; ++n) {
    T sum(0);
    for (std::int64_t i = n * classes; i < (n + 1) * classes; ++i) sum += dy[i];
    for (std::int64_t i = n * classes; i < (n + 1) * classes; ++i) dx[i] = dy[i] - exp(y[i]) * sum;
  }
}

template <class T>
void softmax_forward(int batch, int classes, const T* x, T* y) {
  using std::exp;
  log_softmax_forward(batch, classes, x, y);
  for (std::int64_t i = 0; i < std::int64_t{batch} * classes; ++i) y[i] = exp(y[i]);
}
// dx_i = y_i (dy_i - sum of y dy)
template <class T>
void softmax_backward(int batch, int classes, const T* y, const T* dy, T* dx) {
  for (std::int64_t n = 0; n < batch; ++n) {
    T dot(0);
    for (std::int64_t i = n * classes; i < (n + 1) * classes; ++i) dot += y[i] * dy[i];
    for (std::int64_t i = n * classes; i < (n + 1) * classes; ++i) dx[i] = y[i] * (dy[i] - dot);
  }
}

}  // namespace strata::inline STRATA_ABI::reference
