// SPDX-License-Identifier: BSL-1.0
// PReLU: a slope for each channel. x (rows,C), slopes (C).
#pragma once
#include <cstdint>

#include <strata/backend/cuda/bias.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda {

namespace detail {

// to[i] = from[i], times its channel's slope where x[i] is not above 0.
template <class T>
struct PReluElement {
  int channels;
  const T *x, *from;
  const Compute<T>* slopes;
  T* to;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    using C = Compute<T>;
    to[i] = static_cast<C>(x[i]) > C{0} ? from[i] : T(slopes[remainder(i, channels)] * static_cast<C>(from[i]));
  }
};
template <class T>
struct PReluSlopeTerm {
  const T *x, *dy;
  STRATA_HOST_DEVICE void operator()(std::int64_t i, int, Compute<T>* sums) const {
    using C = Compute<T>;
    const C in = static_cast<C>(x[i]);
    if (!(in > C{0})) sums[0] += in * static_cast<C>(dy[i]);
  }
};

}  // namespace detail

// Elements of scratch, for backward.
constexpr std::int64_t prelu_scratch(std::int64_t rows, int channels) { return row_sums_scratch(1, rows, channels); }

template <Run R, class T>
void prelu_forward(R& run, std::int64_t rows, int channels, const T* x, const Compute<T>* slopes, T* y) {
  run(rows * channels, detail::PReluElement<T>{channels, x, x, slopes, y});
}
// dx may be null if it is not wanted.
template <Run R, class T>
void prelu_backward(R& run, std::int64_t rows, int channels, const T* x, const Compute<T>* slopes, const T* dy, T* dx,
                    Compute<T>* dslopes, Compute<T>* scratch) {
  detail::sum_rows<1>(run, rows, channels, scratch, detail::PReluSlopeTerm<T>{x, dy},
                      detail::StoreSum<Compute<T>>{dslopes});
  if (dx) run(rows * channels, detail::PReluElement<T>{channels, x, dy, slopes, dx});
}

}  // namespace strata::inline STRATA_ABI::cuda
