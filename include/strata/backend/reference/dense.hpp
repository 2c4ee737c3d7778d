// SPDX-License-Identifier: BSL-1.0
// Fully connected layers: x (N,in), w (in,units), y (N,units).
#pragma once
#include <algorithm>
#include <cstdint>

namespace strata::reference {

namespace detail {
// Calls f(place in x, place in w, place in y) for each product.
template <class F>
void for_dense_products(int in, int units, int batch, F&& f) {
  for (std::int64_t n = 0; n < batch; ++n)
    for (std::int64_t i = 0; i < in; ++i)
      for (std::int64_t u = 0; u < units; ++u) f(n * in + i, i * units + u, n * units + u);
}
}  // namespace detail

template <class T>
void dense_forward(int in, int units, int batch, const T* x, const T* w, const T* bias, T* y) {
  for (std::int64_t i = 0; i < std::int64_t{batch} * units; ++i) y[i] = bias ? bias[i % units] : T(0);
  detail::for_dense_products(in, units, batch,
                             [=](std::int64_t i, std::int64_t k, std::int64_t o) { y[o] += x[i] * w[k]; });
}

template <class T>
void dense_backward_input(int in, int units, int batch, const T* dy, const T* w, T* dx) {
  std::fill_n(dx, std::int64_t{batch} * in, T(0));
  detail::for_dense_products(in, units, batch,
                             [=](std::int64_t i, std::int64_t k, std::int64_t o) { dx[i] += dy[o] * w[k]; });
}

template <class T>
void dense_backward_weights(int in, int units, int batch, const T* x, const T* dy, T* dw, T* db) {
  std::fill_n(dw, std::int64_t{in} * units, T(0));
  detail::for_dense_products(in, units, batch,
                             [=](std::int64_t i, std::int64_t k, std::int64_t o) { dw[k] += x[i] * dy[o]; });
  if (!db) return;
  std::fill_n(db, units, T(0));
  for (std::int64_t i = 0; i < std::int64_t{batch} * units; ++i) db[i % units] += dy[i];
}

}  // namespace strata::reference
