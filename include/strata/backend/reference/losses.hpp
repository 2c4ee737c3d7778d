// SPDX-License-Identifier: BSL-1.0
// Losses: one value a sample into loss (N), and the gradient of their MEAN into gradient (N,classes) unless it is null.
#pragma once
#include <cmath>
#include <cstdint>

#include <strata/backend/reference/softmax.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::reference {

template <class T>
void softmax_cross_entropy(int batch, int classes, const T* logits, const int* labels, T* loss, T* gradient) {
  using std::exp;
  for (std::int64_t n = 0; n < batch; ++n) {
    const T* x = logits + n * classes;
    const T all = detail::log_sum_exp(classes, x);
    loss[n] = all - x[labels[n]];
    for (int c = 0; gradient && c < classes; ++c)
      gradient[n * classes + c] = (exp(x[c] - all) - T(c == labels[n])) / static_cast<T>(batch);
  }
}

template <class T>
void negative_log_likelihood(int batch, int classes, const T* x, const int* labels, T* loss, T* gradient) {
  for (std::int64_t n = 0; n < batch; ++n) {
    loss[n] = -x[n * classes + labels[n]];
    for (int c = 0; gradient && c < classes; ++c) gradient[n * classes + c] = -T(c == labels[n]) / static_cast<T>(batch);
  }
}

// Probabilities are clipped to [1e-7, 1 - 1e-7], as Keras does; where the clip holds the gradient is 0.
template <class T>
void cross_entropy(int batch, int classes, const T* x, const int* labels, T* loss, T* gradient) {
  using std::log;
  for (std::int64_t n = 0; n < batch; ++n) {
    const T p = x[n * classes + labels[n]], low = static_cast<T>(1e-7), high = T(1) - low;
    const bool clipped = p < low || p > high;
    loss[n] = -log(p < low ? low : p > high ? high : p);
    for (int c = 0; gradient && c < classes; ++c)
      gradient[n * classes + c] = c != labels[n] || clipped ? T(0) : T(-1) / p / static_cast<T>(batch);
  }
}

// Against the one-hot label, mean over classes.
template <class T>
void mean_squared_error(int batch, int classes, const T* x, const int* labels, T* loss, T* gradient) {
  for (std::int64_t n = 0; n < batch; ++n) {
    loss[n] = T(0);
    for (int c = 0; c < classes; ++c) {
      const T difference = x[n * classes + c] - T(c == labels[n]);
      loss[n] += difference * difference / static_cast<T>(classes);
      if (gradient) gradient[n * classes + c] = T(2) * difference / static_cast<T>(classes) / static_cast<T>(batch);
    }
  }
}

// Logits against the one-hot label, mean over classes: log(1 + exp(z)) - z * target, written so that exp cannot overflow.
template <class T>
void sigmoid_cross_entropy(int batch, int classes, const T* x, const int* labels, T* loss, T* gradient) {
  using std::exp;
  using std::log1p;
  for (std::int64_t n = 0; n < batch; ++n) {
    loss[n] = T(0);
    for (int c = 0; c < classes; ++c) {
      const T z = x[n * classes + c], target = T(c == labels[n]);
      loss[n] += ((z > T(0) ? z + log1p(exp(-z)) : log1p(exp(z))) - z * target) / static_cast<T>(classes);
      if (gradient)
        gradient[n * classes + c] = (T(1) / (T(1) + exp(-z)) - target) / static_cast<T>(classes) / static_cast<T>(batch);
    }
  }
}

}  // namespace strata::inline STRATA_ABI::reference
