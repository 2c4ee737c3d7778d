// SPDX-License-Identifier: BSL-1.0
// Activations on a GPU: any struct of layers/activations.hpp, one element at a time.
#pragma once
#include <strata/backend/cuda/element.hpp>
#include <strata/backend/cuda/index.hpp>
#include <strata/core/linkage.hpp>
#include <strata/layers/activations.hpp>

namespace strata::inline STRATA_ABI::cuda {

namespace detail {

template <class F, class T>
struct ActivationForward {
  const T* x;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const { y[i] = T(F::forward(static_cast<Compute<T>>(x[i]))); }
};
template <class F, class T>
struct ActivationBackward {
  const T *x, *y, *dy;  // x may be null if F::backward does not take it
  T* dx;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    using C = Compute<T>;
    if constexpr (strata::detail::BackwardFromOutput<F>)
      dx[i] = T(F::backward(static_cast<C>(y[i]), static_cast<C>(dy[i])));
    else
      dx[i] = T(F::backward(static_cast<C>(x[i]), static_cast<C>(y[i]), static_cast<C>(dy[i])));
  }
};

template <class T>
struct AddBias {
  int channels;
  const Compute<T>* bias;
  T* y;
  bool relu;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const Compute<T> sum = static_cast<Compute<T>>(y[i]) + bias[remainder(i, channels)];
    y[i] = relu && sum < Compute<T>{0} ? T(0) : T(sum);
  }
};

}  // namespace detail

// y may be x.
template <class F, Run R, class T>
void activation_forward(R& run, std::int64_t n, const T* x, T* y) {
  run(n, detail::ActivationForward<F, T>{x, y});
}
// dx may be dy unless F::backward takes x.
template <class F, Run R, class T>
void activation_backward(R& run, std::int64_t n, const T* x, const T* y, const T* dy, T* dx) {
  run(n, detail::ActivationBackward<F, T>{x, y, dy, dx});
}

// y (rows,channels) += bias (channels), rectified on request: for products without an epilogue of their own.
template <Run R, class T>
void add_bias(R& run, std::int64_t rows, int channels, const Compute<T>* bias, T* y, bool relu) {
  run(rows * channels, detail::AddBias<T>{channels, bias, y, relu});
}

}  // namespace strata::inline STRATA_ABI::cuda
