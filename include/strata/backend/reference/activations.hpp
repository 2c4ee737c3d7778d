// SPDX-License-Identifier: BSL-1.0
// Activations; backward from outputs, or from inputs where outputs do not tell. The formulas are independent of
// layers/activations.hpp. y may be x, and dx dy.
#pragma once
#include <cmath>
#include <cstdint>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::reference {

// A NaN is not below zero and so stays.
template <class T>
void relu_forward(std::int64_t n, const T* x, T* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] < T(0) ? T(0) : x[i];
}
template <class T>
void relu_backward(std::int64_t n, const T* y, const T* dy, T* dx) {
  for (std::int64_t i = 0; i < n; ++i) dx[i] = y[i] > T(0) ? dy[i] : T(0);
}

template <class T>
void leaky_relu_forward(std::int64_t n, T slope, const T* x, T* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] < T(0) ? slope * x[i] : x[i];
}
template <class T>
void leaky_relu_backward(std::int64_t n, T slope, const T* y, const T* dy, T* dx) {
  for (std::int64_t i = 0; i < n; ++i) dx[i] = y[i] > T(0) ? dy[i] : slope * dy[i];
}

template <class T>
void sigmoid_forward(std::int64_t n, const T* x, T* y) {
  using std::exp;
  for (std::int64_t i = 0; i < n; ++i) y[i] = T(1) / (T(1) + exp(-x[i]));
}
template <class T>
void sigmoid_backward(std::int64_t n, const T* y, const T* dy, T* dx) {
  for (std::int64_t i = 0; i < n; ++i) dx[i] = dy[i] * y[i] * (T(1) - y[i]);
}

template <class T>
void tanh_forward(std::int64_t n, const T* x, T* y) {
  using std::tanh;
  for (std::int64_t i = 0; i < n; ++i) y[i] = tanh(x[i]);
}
template <class T>
void tanh_backward(std::int64_t n, const T* y, const T* dy, T* dx) {
  for (std::int64_t i = 0; i < n; ++i) dx[i] = dy[i] * (T(1) - y[i] * y[i]);
}

template <class T>
void gelu_forward(std::int64_t n, const T* x, T* y) {
  using std::erf, std::sqrt;
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] / T(2) * (T(1) + erf(x[i] / sqrt(T(2))));
}
template <class T>
void gelu_backward(std::int64_t n, const T* x, const T* dy, T* dx) {
  using std::erf, std::exp, std::sqrt;
  const T pi(3.14159265358979323846);
  for (std::int64_t i = 0; i < n; ++i) {
    const T density = exp(-x[i] * x[i] / T(2)) / sqrt(T(2) * pi);
    dx[i] = dy[i] * ((T(1) + erf(x[i] / sqrt(T(2)))) / T(2) + x[i] * density);
  }
}

template <class T>
void gelu_tanh_forward(std::int64_t n, const T* x, T* y) {
  using std::sqrt, std::tanh;
  const T factor = sqrt(T(2) / T(3.14159265358979323846));
  for (std::int64_t i = 0; i < n; ++i)
    y[i] = x[i] / T(2) * (T(1) + tanh(factor * (x[i] + T(0.044715) * x[i] * x[i] * x[i])));
}
template <class T>
void gelu_tanh_backward(std::int64_t n, const T* x, const T* dy, T* dx) {
  using std::sqrt, std::tanh;
  const T factor = sqrt(T(2) / T(3.14159265358979323846));
  for (std::int64_t i = 0; i < n; ++i) {
    const T t = tanh(factor * (x[i] + T(0.044715) * x[i] * x[i] * x[i]));
    const T slope = factor * (T(1) + T(3 * 0.044715) * x[i] * x[i]);
    dx[i] = dy[i] / T(2) * (T(1) + t + x[i] * (T(1) - t * t) * slope);
  }
}

template <class T>
void silu_forward(std::int64_t n, const T* x, T* y) {
  using std::exp;
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * (T(1) / (T(1) + exp(-x[i])));
}
template <class T>
void silu_backward(std::int64_t n, const T* x, const T* dy, T* dx) {
  using std::exp;
  for (std::int64_t i = 0; i < n; ++i) {
    const T sigmoid = T(1) / (T(1) + exp(-x[i]));
    dx[i] = dy[i] * (sigmoid + x[i] * sigmoid * (T(1) - sigmoid));
  }
}

template <class T>
void clip_forward(std::int64_t n, T low, T high, const T* x, T* y) {
  for (std::int64_t i = 0; i < n; ++i) {
    y[i] = x[i];
    if (x[i] < low) y[i] = low;
    if (x[i] > high) y[i] = high;
  }
}
template <class T>
void clip_backward(std::int64_t n, T low, T high, const T* y, const T* dy, T* dx) {
  for (std::int64_t i = 0; i < n; ++i) dx[i] = low < y[i] && y[i] < high ? dy[i] : T(0);
}

template <class T>
void hard_sigmoid_forward(std::int64_t n, const T* x, T* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] + T(3);
  clip_forward(n, T(0), T(6), static_cast<const T*>(y), y);
  for (std::int64_t i = 0; i < n; ++i) y[i] /= T(6);
}
template <class T>
void hard_sigmoid_backward(std::int64_t n, const T* y, const T* dy, T* dx) {
  clip_backward(n, T(0), T(1), y, dy, dx);
  for (std::int64_t i = 0; i < n; ++i) dx[i] /= T(6);
}

template <class T>
void hard_swish_forward(std::int64_t n, const T* x, T* y) {
  for (std::int64_t i = 0; i < n; ++i) {
    T gate = x[i] + T(3);
    clip_forward(1, T(0), T(6), static_cast<const T*>(&gate), &gate);
    y[i] = x[i] * gate / T(6);
  }
}
// By the product rule, inside of the limits.
template <class T>
void hard_swish_backward(std::int64_t n, const T* x, const T* dy, T* dx) {
  for (std::int64_t i = 0; i < n; ++i) {
    dx[i] = x[i] >= T(3) ? dy[i] : T(0);
    if (x[i] > T(-3) && x[i] < T(3)) dx[i] = dy[i] * ((x[i] + T(3)) / T(6) + x[i] / T(6));
  }
}

template <class T>
void elu_forward(std::int64_t n, T alpha, const T* x, T* y) {
  using std::expm1;
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] > T(0) ? x[i] : alpha * expm1(x[i]);
}
template <class T>
void elu_backward(std::int64_t n, T alpha, const T* y, const T* dy, T* dx) {
  for (std::int64_t i = 0; i < n; ++i) dx[i] = y[i] > T(0) ? dy[i] : dy[i] * y[i] + dy[i] * alpha;
}

// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)); its slope is 1 - exp(-y).
template <class T>
void softplus_forward(std::int64_t n, const T* x, T* y) {
  using std::abs, std::exp, std::log1p;
  for (std::int64_t i = 0; i < n; ++i) y[i] = (x[i] < T(0) ? T(0) : x[i]) + log1p(exp(-abs(x[i])));
}
template <class T>
void softplus_backward(std::int64_t n, const T* y, const T* dy, T* dx) {
  using std::expm1;
  for (std::int64_t i = 0; i < n; ++i) dx[i] = -dy[i] * expm1(-y[i]);
}

template <class T>
void scale_forward(std::int64_t n, T factor, const T* x, T* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = factor * x[i];
}
template <class T>
void scale_backward(std::int64_t n, T factor, const T* dy, T* dx) {
  for (std::int64_t i = 0; i < n; ++i) dx[i] = factor * dy[i];
}

}  // namespace strata::inline STRATA_ABI::reference
