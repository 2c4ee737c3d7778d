// SPDX-License-Identifier: BSL-1.0
// Softmax and its logarithm over the last axis, (N,classes). The largest is subtracted first, so that nothing overflows.
// An index is a row: rows are short and few, and stay in a cache from the first pass to the last. One index per element
// would need another launch for the sums of the rows.
#pragma once
#include <strata/backend/cuda/element.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda {

namespace detail {

// The largest of a row, and the logarithm of the sum of exp(x - largest).
template <class C>
struct LogSum {
  C top, log;
};
template <class T>
STRATA_HOST_DEVICE LogSum<Compute<T>> log_sum_exp(int classes, const T* x) {
  using C = Compute<T>;
  C top = static_cast<C>(x[0]), sum{0};
  for (int c = 1; c < classes; ++c)
    if (const auto v = static_cast<C>(x[c]); v > top) top = v;
  for (int c = 0; c < classes; ++c) sum += std::exp(static_cast<C>(x[c]) - top);
  return {top, std::log(sum)};
}

template <class T>
struct SoftmaxForward {
  int classes;
  const T* x;
  T* y;
  bool logarithm;
  STRATA_HOST_DEVICE void operator()(std::int64_t n) const {
    using C = Compute<T>;
    const std::int64_t first = n * classes;
    const LogSum<C> all = log_sum_exp(classes, x + first);
    for (std::int64_t i = first; i < first + classes; ++i) {
      const C value = static_cast<C>(x[i]) - all.top - all.log;
      y[i] = T(logarithm ? value : std::exp(value));
    }
  }
};

// y is what forward returned: the probabilities, or their logarithms.
template <class T, bool Logarithm>
struct SoftmaxBackward {
  int classes;
  const T *y, *dy;
  T* dx;
  STRATA_HOST_DEVICE void operator()(std::int64_t n) const {
    using C = Compute<T>;
    const std::int64_t first = n * classes;
    C sum{0};
    for (std::int64_t i = first; i < first + classes; ++i) {
      const C gradient = static_cast<C>(dy[i]);
      sum += Logarithm ? gradient : static_cast<C>(y[i]) * gradient;
    }
    for (std::int64_t i = first; i < first + classes; ++i) {
      const C value = static_cast<C>(y[i]), gradient = static_cast<C>(dy[i]);
      dx[i] = T(Logarithm ? gradient - std::exp(value) * sum : value * (gradient - sum));
    }
  }
};

}  // namespace detail

template <Run R, class T>
void softmax_forward(R& run, int batch, int classes, const T* x, T* y) {
  run(batch, detail::SoftmaxForward<T>{classes, x, y, false});
}
template <Run R, class T>
void softmax_backward(R& run, int batch, int classes, const T* y, const T* dy, T* dx) {
  run(batch, detail::SoftmaxBackward<T, false>{classes, y, dy, dx});
}

template <Run R, class T>
void log_softmax_forward(R& run, int batch, int classes, const T* x, T* y) {
  run(batch, detail::SoftmaxForward<T>{classes, x, y, true});
}
template <Run R, class T>
void log_softmax_backward(R& run, int batch, int classes, const T* y, const T* dy, T* dx) {
  run(batch, detail::SoftmaxBackward<T, true>{classes, y, dy, dx});
}

}  // namespace strata::inline STRATA_ABI::cuda
