// SPDX-License-Identifier: BSL-1.0
// Local response normalization across channels. x (N,H,W,C).
#pragma once
#include <cmath>
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/core/lrn.hpp>
#include <strata/core/shape.hpp>

namespace strata::inline STRATA_ABI::reference {

namespace detail {
// Whether channel j is one of the n around channel i. If n is even, the extra one is before i.
constexpr bool lrn_neighbours(const LrnParameters& p, int i, int j) { return j >= i - p.n / 2 && j < i - p.n / 2 + p.n; }

// k + alpha * the sum of squares around channel i
template <class T>
T lrn_scale(const LrnParameters& p, int channels, const T* x, int i) {
  T sum(0);
  for (int j = 0; j < channels; ++j)
    if (lrn_neighbours(p, i, j)) sum += x[j] * x[j];
  return static_cast<T>(p.k) + static_cast<T>(p.alpha) * sum;
}
}  // namespace detail

template <class T>
void lrn_forward(Shape in, int batch, const LrnParameters& p, const T* x, T* y) {
  using std::pow;
  for (std::int64_t at = 0; at < batch * in.size(); at += in.channels)
    for (int i = 0; i < in.channels; ++i)
      y[at + i] = x[at + i] / pow(detail::lrn_scale(p, in.channels, x + at, i), static_cast<T>(p.beta));
}

// dy_i/dx_j = s_i^-beta [i = j] - 2 alpha beta x_i x_j s_i^(-beta - 1) [j around i]. `y` is not used.
template <class T>
void lrn_backward(Shape in, int batch, const LrnParameters& p, const T* x, const T* /*y*/, const T* dy, T* dx) {
  using std::pow;
  const T beta = static_cast<T>(p.beta);
  for (std::int64_t at = 0; at < batch * in.size(); at += in.channels)
    for (int j = 0; j < in.channels; ++j) {
      T sum(0);
      for (int i = 0; i < in.channels; ++i) {
        if (i != j && !detail::lrn_neighbours(p, i, j)) continue;
        const T scale = detail::lrn_scale(p, in.channels, x + at, i);
        if (i == j) sum += dy[at + i] * pow(scale, -beta);
        if (detail::lrn_neighbours(p, i, j))
          sum -= T(2) * static_cast<T>(p.alpha) * beta * x[at + i] * x[at + j] * dy[at + i] * pow(scale, -beta - T(1));
      }
      dx[at + j] = sum;
    }
}

}  // namespace strata::inline STRATA_ABI::reference
