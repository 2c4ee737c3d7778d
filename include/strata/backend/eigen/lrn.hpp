// SPDX-License-Identifier: BSL-1.0
// Local response normalisation across channels. x (N,H,W,C).
#pragma once
#include <cmath>

#include <strata/backend/eigen/chunks.hpp>
#include <strata/core/lrn.hpp>
#include <strata/core/shape.hpp>

namespace strata::eigen {

namespace detail {
// k + alpha * the sum of squares around channel c
template <class T>
T lrn_scale(const LrnParameters& p, const T* x, int channels, int c) {
  T sum{0};
  for (int j = std::max(0, c - p.n / 2); j <= std::min(channels - 1, c - p.n / 2 + p.n - 1); ++j) sum += x[j] * x[j];
  return static_cast<T>(p.k) + static_cast<T>(p.alpha) * sum;
}
}  // namespace detail

template <class T>
void lrn_forward(Shape in, int batch, const LrnParameters& p, const T* x, T* y, ThreadPool& pool) {
  for_chunks(
      batch * in.size() / in.channels, pool,
      [=](std::int64_t first, std::int64_t count) {
        for (std::int64_t r = first; r < first + count; ++r)
          for (int c = 0; c < in.channels; ++c)
            y[r * in.channels + c] =
                x[r * in.channels + c] *
                std::pow(detail::lrn_scale(p, x + r * in.channels, in.channels, c), static_cast<T>(-p.beta));
      },
      64);
}

// dx_i = dy_i s_i^-beta - 2 alpha beta x_i * sum of dy_c y_c / s_c over the channels c that have i as a neighbour.
template <class T>
void lrn_backward(Shape in, int batch, const LrnParameters& p, const T* x, const T* y, const T* dy, T* dx,
                  ThreadPool& pool) {
  const T factor = static_cast<T>(2 * p.alpha * p.beta);
  for_chunks(
      batch * in.size() / in.channels, pool,
      [=](std::int64_t first, std::int64_t count) {
        for (std::int64_t r = first; r < first + count; ++r) {
          const std::int64_t at = r * in.channels;
          for (int i = 0; i < in.channels; ++i) {
            T sum{0};
            for (int c = std::max(0, i + p.n / 2 - p.n + 1); c <= std::min(in.channels - 1, i + p.n / 2); ++c)
              sum += dy[at + c] * y[at + c] / detail::lrn_scale(p, x + at, in.channels, c);
            dx[at + i] = dy[at + i] * std::pow(detail::lrn_scale(p, x + at, in.channels, i), static_cast<T>(-p.beta)) -
                         factor * x[at + i] * sum;
          }
        }
      },
      64);
}

}  // namespace strata::eigen
