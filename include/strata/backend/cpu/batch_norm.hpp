// SPDX-License-Identifier: BSL-1.0
// Batch normalization. A task is a block of channels and goes through the batch in order. x (N,H,W,C). gamma and beta may
// be null: the layer has none.
#pragma once
#include <cmath>

#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/simd.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>

namespace strata::inline STRATA_ABI::cpu {

inline constexpr std::int64_t norm_block = 16;

namespace detail {
// y = normalized * gamma + beta
template <class T, class Expression>
STRATA_INLINE void scale_and_shift(Array<T> y, const Expression& normalized, const T* gamma, const T* beta) {
  const std::int64_t n = y.size();
  if (gamma && beta)
    y = normalized * ConstArray<T>(gamma, n) + ConstArray<T>(beta, n);
  else if (gamma)
    y = normalized * ConstArray<T>(gamma, n);
  else if (beta)
    y = normalized + ConstArray<T>(beta, n);
  else
    y = normalized;
}
// The pointer to an element of an array that may be missing.
template <class T>
T* element_of(T* array, std::int64_t i) {
  return array ? array + i : nullptr;
}
}  // namespace detail

// running = momentum * running + (1 - momentum) * batch, for channels whose batch statistics are finite: a NaN would stay
// forever. The variance is the biased one, as in Keras.
template <class T>
void batch_norm_forward(Shape in, int batch, T epsilon, T momentum, const T* x, const T* gamma, const T* beta,
                        T* running_mean, T* running_variance, T* mean, T* inverse_deviation, T* y, ThreadPool& pool) {
  const std::int64_t channels = in.channels, rows = batch * in.size() / channels;
  for_chunks(
      channels, pool,
      [=](std::int64_t first, std::int64_t count) {
        const auto row = [=](auto* p, std::int64_t r) { return p + r * channels + first; };
        Array<T> m(mean + first, count), stddev(inverse_deviation + first, count);
        const T n = static_cast<T>(rows);
        m = sum_rows<T, norm_block>(rows, count,
                                    [&](auto& sums, std::int64_t r) { sums += ConstArray<T>(row(x, r), count); }) /
            n;
        stddev =
            sum_rows<T, norm_block>(
                rows, count, [&](auto& sums, std::int64_t r) { sums += (ConstArray<T>(row(x, r), count) - m).square(); }) /
            n;
        for (std::int64_t i = 0; i < count; ++i) {
          if (!std::isfinite(m[i] + stddev[i])) continue;
          T &mean_so_far = running_mean[first + i], &variance_so_far = running_variance[first + i];
          mean_so_far = momentum * mean_so_far + (T{1} - momentum) * m[i];
          variance_so_far = momentum * variance_so_far + (T{1} - momentum) * stddev[i];
        }
        stddev = (stddev + epsilon).rsqrt();
        const T *scale = detail::element_of(gamma, first), *shift = detail::element_of(beta, first);
        for (std::int64_t r = 0; r < rows; ++r)
          detail::scale_and_shift(Array<T>(row(y, r), count), (ConstArray<T>(row(x, r), count) - m) * stddev, scale, shift);
      },
      norm_block);
}

template <class T>
void batch_norm_inference(Shape in, int batch, T epsilon, const T* x, const T* gamma, const T* beta, const T* running_mean,
                          const T* running_variance, T* y, ThreadPool& pool) {
  const std::int64_t channels = in.channels, rows = batch * in.size() / channels;
  for_elements(
      rows, pool,
      [=](std::int64_t r) {
        const ConstArray<T> mean(running_mean, channels), variance(running_variance, channels);
        detail::scale_and_shift(Array<T>(y + r * channels, channels),
                                (ConstArray<T>(x + r * channels, channels) - mean) * (variance + epsilon).rsqrt(), gamma,
                                beta);
      },
      256);
}

// dx may be dy.
template <class T>
void batch_norm_backward(Shape in, int batch, const T* x, const T* gamma, const T* mean, const T* inverse_deviation,
                         const T* dy, T* dx, T* dgamma, T* dbeta, ThreadPool& pool) {
  const std::int64_t channels = in.channels, rows = batch * in.size() / channels;
  for_chunks(
      channels, pool,
      [=](std::int64_t first, std::int64_t count) {
        const auto row = [=](auto* p, std::int64_t r) { return p + r * channels + first; };
        const ConstArray<T> m(mean + first, count), stddev(inverse_deviation + first, count);
        Array<T> scale_gradient(dgamma + first, count), shift_gradient(dbeta + first, count);
        shift_gradient = sum_rows<T, norm_block>(
            rows, count, [&](auto& sums, std::int64_t r) { sums += ConstArray<T>(row(dy, r), count); });
        scale_gradient = sum_rows<T, norm_block>(rows, count, [&](auto& sums, std::int64_t r) {
          sums += ConstArray<T>(row(dy, r), count) * (ConstArray<T>(row(x, r), count) - m) * stddev;
        });
        const T n = static_cast<T>(rows);
        for (std::int64_t r = 0; r < rows; ++r) {
          Array<T> to(row(dx, r), count);
          const auto centred = ConstArray<T>(row(dy, r), count) - shift_gradient / n -
                               (ConstArray<T>(row(x, r), count) - m) * stddev * scale_gradient / n;
          if (gamma)
            to = ConstArray<T>(gamma + first, count) * stddev * centred;
          else
            to = stddev * centred;
        }
      },
      norm_block);
}

}  // namespace strata::inline STRATA_ABI::cpu
