// SPDX-License-Identifier: BSL-1.0
// Batch normalization, channel by channel. x (N,H,W,C) or (N,C).
#pragma once
#include <cmath>
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>

namespace strata::inline STRATA_ABI::reference {

// running = momentum * running + (1 - momentum) * batch, for channels whose batch statistics are finite. The variance is
// the biased one, as in Keras.
template <class T>
void batch_norm_forward(Shape in, int batch, T epsilon, T momentum, const T* x, const T* gamma, const T* beta,
                        T* running_mean, T* running_variance, T* mean, T* inverse_deviation, T* y) {
  using std::isfinite, std::sqrt;
  const std::int64_t all = batch * in.size();
  for (int c = 0; c < in.channels; ++c) {
    const T count = static_cast<T>(all / in.channels);
    T sum(0), squares(0);
    for (std::int64_t i = c; i < all; i += in.channels) sum += x[i];
    mean[c] = sum / count;
    for (std::int64_t i = c; i < all; i += in.channels) squares += (x[i] - mean[c]) * (x[i] - mean[c]);
    const T variance = squares / count;
    inverse_deviation[c] = T(1) / sqrt(variance + epsilon);
    if (isfinite(mean[c]) && isfinite(variance)) {
      running_mean[c] = momentum * running_mean[c] + (T(1) - momentum) * mean[c];
      running_variance[c] = momentum * running_variance[c] + (T(1) - momentum) * variance;
    }
    for (std::int64_t i = c; i < all; i += in.channels) y[i] = (x[i] - mean[c]) * inverse_deviation[c] * gamma[c] + beta[c];
  }
}

template <class T>
void batch_norm_inference(Shape in, int batch, T epsilon, const T* x, const T* gamma, const T* beta, const T* running_mean,
                          const T* running_variance, T* y) {
  using std::sqrt;
  for (std::int64_t i = 0; i < batch * in.size(); ++i) {
    const std::int64_t c = i % in.channels;
    y[i] = (x[i] - running_mean[c]) / sqrt(running_variance[c] + epsilon) * gamma[c] + beta[c];
  }
}

// dx = gamma / stddev * (dy - mean(dy) - normalized x * mean(dy * normalized x))
template <class T>
void batch_norm_backward(Shape in, int batch, const T* x, const T* gamma, const T* mean, const T* inverse_deviation,
                         const T* dy, T* dx, T* dgamma, T* dbeta) {
  const std::int64_t all = batch * in.size();
  const T count = static_cast<T>(all / in.channels);
  for (int c = 0; c < in.channels; ++c) {
    T sum(0), product(0);
    for (std::int64_t i = c; i < all; i += in.channels) {
      sum += dy[i];
      product += dy[i] * (x[i] - mean[c]) * inverse_deviation[c];
    }
    dgamma[c] = product;
    dbeta[c] = sum;
    for (std::int64_t i = c; i < all; i += in.channels) {
      const T normalized = (x[i] - mean[c]) * inverse_deviation[c];
      dx[i] = gamma[c] * inverse_deviation[c] * (dy[i] - sum / count - normalized * product / count);
    }
  }
}

}  // namespace strata::inline STRATA_ABI::reference
