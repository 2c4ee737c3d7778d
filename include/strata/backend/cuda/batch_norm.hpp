// SPDX-License-Identifier: BSL-1.0
// Batch normalization. The variance takes a second pass over x, because a difference of squares would lose it. x
// (N,H,W,C) or (N,C); parameters and statistics are Compute<T>. gamma and beta may be null: the layer has none.
#pragma once
#include <strata/backend/cuda/bias.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>

namespace strata::inline STRATA_ABI::cuda {

namespace detail {

template <class C>
struct StoreMean {
  std::int64_t rows;
  C* mean;
  STRATA_HOST_DEVICE void operator()(int c, const C* sums) const { mean[c] = sums[0] / static_cast<C>(rows); }
};
template <class T>
struct SquareDifference {
  const T* x;
  const Compute<T>* mean;
  STRATA_HOST_DEVICE void operator()(std::int64_t i, int c, Compute<T>* sums) const {
    const Compute<T> d = static_cast<Compute<T>>(x[i]) - mean[c];
    sums[0] += d * d;
  }
};
template <class C>
struct StoreDeviation {
  std::int64_t rows;
  C epsilon, momentum;
  const C* mean;
  C *running_mean, *running_variance, *inverse_deviation;
  STRATA_HOST_DEVICE void operator()(int c, const C* sums) const {
    const C variance = sums[0] / static_cast<C>(rows);
    inverse_deviation[c] = 1 / std::sqrt(variance + epsilon);
    if (!std::isfinite(mean[c]) || !std::isfinite(variance)) return;
    running_mean[c] = momentum * running_mean[c] + (1 - momentum) * mean[c];
    running_variance[c] = momentum * running_variance[c] + (1 - momentum) * variance;
  }
};
// normalized * gamma[c] + beta[c]
template <class C>
STRATA_HOST_DEVICE C scale_and_shift(C normalized, const C* gamma, const C* beta, int c) {
  const C scaled = gamma ? normalized * gamma[c] : normalized;
  return beta ? scaled + beta[c] : scaled;
}
template <class T>
struct BatchNormForward {
  int channels;
  const T* x;
  const Compute<T>*gamma, *beta, *mean, *inverse_deviation;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const int c = remainder(i, channels);
    y[i] = T(scale_and_shift((static_cast<Compute<T>>(x[i]) - mean[c]) * inverse_deviation[c], gamma, beta, c));
  }
};
template <class T>
struct BatchNormInference {
  int channels;
  Compute<T> epsilon;
  const T* x;
  const Compute<T>*gamma, *beta, *mean, *variance;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const int c = remainder(i, channels);
    y[i] = T(scale_and_shift((static_cast<Compute<T>>(x[i]) - mean[c]) / std::sqrt(variance[c] + epsilon), gamma, beta, c));
  }
};

template <class T>
struct BatchNormGradients {
  const T *x, *dy;
  const Compute<T>*mean, *inverse_deviation;
  STRATA_HOST_DEVICE void operator()(std::int64_t i, int c, Compute<T>* sums) const {
    const auto gradient = static_cast<Compute<T>>(dy[i]);
    sums[0] += gradient;
    sums[1] += gradient * (static_cast<Compute<T>>(x[i]) - mean[c]) * inverse_deviation[c];
  }
};
template <class C>
struct StoreGradients {
  C *dgamma, *dbeta;
  STRATA_HOST_DEVICE void operator()(int c, const C* sums) const { dbeta[c] = sums[0], dgamma[c] = sums[1]; }
};
template <class T>
struct BatchNormBackward {
  std::int64_t rows;
  int channels;
  const T *x, *dy;
  const Compute<T>*gamma, *mean, *inverse_deviation, *dgamma, *dbeta;
  T* dx;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    using C = Compute<T>;
    const int c = remainder(i, channels);
    const C n = static_cast<C>(rows), normalized = (static_cast<C>(x[i]) - mean[c]) * inverse_deviation[c];
    const C scale = gamma ? gamma[c] * inverse_deviation[c] : inverse_deviation[c];
    dx[i] = T(scale * (static_cast<C>(dy[i]) - dbeta[c] / n - normalized * dgamma[c] / n));
  }
};

}  // namespace detail

// Elements of scratch, for forward and backward.
constexpr std::int64_t batch_norm_scratch(Shape in, int batch) {
  return row_sums_scratch(2, batch * in.size() / in.channels, in.channels);
}

// running = momentum * running + (1 - momentum) * batch, for channels whose batch statistics are finite. The variance is
// the biased one, as in Keras.
template <Run R, class T>
void batch_norm_forward(R& run, Shape in, int batch, Compute<T> epsilon, Compute<T> momentum, const T* x,
                        const Compute<T>* gamma, const Compute<T>* beta, Compute<T>* running_mean,
                        Compute<T>* running_variance, Compute<T>* mean, Compute<T>* inverse_deviation, T* y,
                        Compute<T>* scratch) {
  using C = Compute<T>;
  const std::int64_t rows = batch * in.size() / in.channels;
  detail::sum_rows<1>(run, rows, in.channels, scratch, detail::SumItself<T>{x}, detail::StoreMean<C>{rows, mean});
  detail::sum_rows<1>(
      run, rows, in.channels, scratch, detail::SquareDifference<T>{x, mean},
      detail::StoreDeviation<C>{rows, epsilon, momentum, mean, running_mean, running_variance, inverse_deviation});
  run(batch * in.size(), detail::BatchNormForward<T>{in.channels, x, gamma, beta, mean, inverse_deviation, y});
}

template <Run R, class T>
void batch_norm_inference(R& run, Shape in, int batch, Compute<T> epsilon, const T* x, const Compute<T>* gamma,
                          const Compute<T>* beta, const Compute<T>* running_mean, const Compute<T>* running_variance,
                          T* y) {
  run(batch * in.size(),
      detail::BatchNormInference<T>{in.channels, epsilon, x, gamma, beta, running_mean, running_variance, y});
}

// dx = gamma / stddev * (dy - mean(dy) - normalized x * mean(dy * normalized x)); dx may be dy, or null
// if it is not wanted.
template <Run R, class T>
void batch_norm_backward(R& run, Shape in, int batch, const T* x, const Compute<T>* gamma, const Compute<T>* mean,
                         const Compute<T>* inverse_deviation, const T* dy, T* dx, Compute<T>* dgamma, Compute<T>* dbeta,
                         Compute<T>* scratch) {
  const std::int64_t rows = batch * in.size() / in.channels;
  detail::sum_rows<2>(run, rows, in.channels, scratch, detail::BatchNormGradients<T>{x, dy, mean, inverse_deviation},
                      detail::StoreGradients<Compute<T>>{dgamma, dbeta});
  if (dx)
    run(batch * in.size(),
        detail::BatchNormBackward<T>{rows, in.channels, x, dy, gamma, mean, inverse_deviation, dgamma, dbeta, dx});
}

}  // namespace strata::inline STRATA_ABI::cuda
