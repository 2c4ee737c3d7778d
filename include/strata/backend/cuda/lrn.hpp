// SPDX-License-Identifier: BSL-1.0
// Local response normalization across channels. x (N,H,W,C). Backward computes the scales again: the neighbours are in a
// cache, and a buffer for the scales would be as large as x.
#pragma once
#include <strata/backend/cuda/index.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/lrn.hpp>
#include <strata/core/shape.hpp>

namespace strata::inline STRATA_ABI::cuda {

namespace detail {

// k + alpha * the sum of squares around channel c; if n is even, the extra neighbour is before c.
template <class C>
struct LrnScale {
  int channels, n;
  C k, alpha;

  template <class T>
  STRATA_HOST_DEVICE C operator()(const T* row, int c) const {
    const int first = c - n / 2;
    C sum{0};
    for (int j = first < 0 ? 0 : first; j < first + n && j < channels; ++j) {
      const auto v = static_cast<C>(row[j]);
      sum += v * v;
    }
    return k + alpha * sum;
  }
};

template <class T>
struct LrnForward {
  LrnScale<Compute<T>> scale;
  Compute<T> beta;
  const T* x;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const int c = remainder(i, scale.channels);
    y[i] = T(static_cast<Compute<T>>(x[i]) * std::exp(-beta * std::log(scale(x + (i - c), c))));
  }
};

// dx_i = dy_i s_i^-beta - 2 alpha beta x_i * sum of dy_c y_c / s_c over the channels c that have i as a neighbour.
template <class T>
struct LrnBackward {
  LrnScale<Compute<T>> scale;
  Compute<T> beta;
  const T *x, *y, *dy;
  T* dx;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    using C = Compute<T>;
    const int at = remainder(i, scale.channels), last = at + scale.n / 2;
    const std::int64_t row = i - at;
    C sum{0}, own{0};
    for (int c = last - scale.n + 1 < 0 ? 0 : last - scale.n + 1; c <= last && c < scale.channels; ++c) {
      const C s = scale(x + row, c);
      sum += static_cast<C>(dy[row + c]) * static_cast<C>(y[row + c]) / s;
      if (c == at) own = s;
    }
    dx[i] =
        T(static_cast<C>(dy[i]) * std::exp(-beta * std::log(own)) - 2 * scale.alpha * beta * static_cast<C>(x[i]) * sum);
  }
};

template <class C>
LrnScale<C> lrn_scale(Shape in, const LrnParameters& p) {
  return {in.channels, p.n, static_cast<C>(p.k), static_cast<C>(p.alpha)};
}

}  // namespace detail

template <Run R, class T>
void lrn_forward(R& run, Shape in, int batch, const LrnParameters& p, const T* x, T* y) {
  using C = Compute<T>;
  run(batch * in.size(), detail::LrnForward<T>{detail::lrn_scale<C>(in, p), static_cast<C>(p.beta), x, y});
}
template <Run R, class T>
void lrn_backward(R& run, Shape in, int batch, const LrnParameters& p, const T* x, const T* y, const T* dy, T* dx) {
  using C = Compute<T>;
  run(batch * in.size(), detail::LrnBackward<T>{detail::lrn_scale<C>(in, p), static_cast<C>(p.beta), x, y, dy, dx});
}

}  // namespace strata::inline STRATA_ABI::cuda
