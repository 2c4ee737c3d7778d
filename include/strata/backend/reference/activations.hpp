// SPDX-License-Identifier: BSL-1.0
// Activations; backward from outputs. The formulas are independent of layers/activations.hpp. y may be x, and dx dy.
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

}  // namespace strata::inline STRATA_ABI::reference
