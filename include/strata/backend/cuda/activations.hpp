// SPDX-License-Identifier: BSL-1.0
// Activations: forward from inputs, backward from outputs, each may write over what it reads.
#pragma once
#include <strata/backend/cuda/element.hpp>
#include <strata/backend/cuda/index.hpp>

namespace strata::cuda {

namespace detail {

// A NaN is not below zero, and so passes.
template <class T>
struct ReluForward {
  const T* x;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    y[i] = static_cast<Compute<T>>(x[i]) < Compute<T>{0} ? T(0) : x[i];
  }
};
template <class T>
struct ReluBackward {
  const T *y, *dy;
  T* dx;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    dx[i] = static_cast<Compute<T>>(y[i]) > Compute<T>{0} ? dy[i] : T(0);
  }
};

template <class T>
struct LeakyReluForward {
  Compute<T> slope;
  const T* x;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const auto v = static_cast<Compute<T>>(x[i]);
    y[i] = v < Compute<T>{0} ? T(slope * v) : x[i];
  }
};
template <class T>
struct LeakyReluBackward {
  Compute<T> slope;
  const T *y, *dy;
  T* dx;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    dx[i] = static_cast<Compute<T>>(y[i]) > Compute<T>{0} ? dy[i] : T(slope * static_cast<Compute<T>>(dy[i]));
  }
};

template <class T>
struct SigmoidForward {
  const T* x;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const { y[i] = T(1 / (1 + std::exp(-static_cast<Compute<T>>(x[i])))); }
};
template <class T>
struct SigmoidBackward {
  const T *y, *dy;
  T* dx;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const auto out = static_cast<Compute<T>>(y[i]);
    dx[i] = T(static_cast<Compute<T>>(dy[i]) * out * (1 - out));
  }
};

template <class T>
struct TanhForward {
  const T* x;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const { y[i] = T(std::tanh(static_cast<Compute<T>>(x[i]))); }
};
template <class T>
struct TanhBackward {
  const T *y, *dy;
  T* dx;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const auto out = static_cast<Compute<T>>(y[i]);
    dx[i] = T(static_cast<Compute<T>>(dy[i]) * (1 - out * out));
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

template <Run R, class T>
void relu_forward(R& run, std::int64_t n, const T* x, T* y) {
  run(n, detail::ReluForward<T>{x, y});
}
template <Run R, class T>
void relu_backward(R& run, std::int64_t n, const T* y, const T* dy, T* dx) {
  run(n, detail::ReluBackward<T>{y, dy, dx});
}

template <Run R, class T>
void leaky_relu_forward(R& run, std::int64_t n, Compute<T> slope, const T* x, T* y) {
  run(n, detail::LeakyReluForward<T>{slope, x, y});
}
template <Run R, class T>
void leaky_relu_backward(R& run, std::int64_t n, Compute<T> slope, const T* y, const T* dy, T* dx) {
  run(n, detail::LeakyReluBackward<T>{slope, y, dy, dx});
}

template <Run R, class T>
void sigmoid_forward(R& run, std::int64_t n, const T* x, T* y) {
  run(n, detail::SigmoidForward<T>{x, y});
}
template <Run R, class T>
void sigmoid_backward(R& run, std::int64_t n, const T* y, const T* dy, T* dx) {
  run(n, detail::SigmoidBackward<T>{y, dy, dx});
}

template <Run R, class T>
void tanh_forward(R& run, std::int64_t n, const T* x, T* y) {
  run(n, detail::TanhForward<T>{x, y});
}
template <Run R, class T>
void tanh_backward(R& run, std::int64_t n, const T* y, const T* dy, T* dx) {
  run(n, detail::TanhBackward<T>{y, dy, dx});
}

// y (rows,channels) += bias (channels), and rectified where asked: for products that could not do it themselves.
template <Run R, class T>
void add_bias(R& run, std::int64_t rows, int channels, const Compute<T>* bias, T* y, bool relu) {
  run(rows * channels, detail::AddBias<T>{channels, bias, y, relu});
}

}  // namespace strata::cuda
