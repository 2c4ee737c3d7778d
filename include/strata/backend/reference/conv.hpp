// SPDX-License-Identifier: BSL-1.0
// Convolutions, in the order of the definition: slow, plain, for any scalar. Other kernels are tested against them.
// x (N,H,W,C), w (KH,KW,C/groups,F), y (N,H',W',F).
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::reference {

namespace detail {
// Calls f(place in x, place in w, place in y) for each product of a convolution, without those on padding. Forward and both
// gradients are sums over the same triples.
template <class F>
void for_products(const Geometry& g, int batch, F&& f) {
  const Window& w = g.window;
  const std::int64_t channels = g.in.channels / g.groups, filters = g.out.channels / g.groups;
  for (std::int64_t n = 0; n < batch; ++n)
    for (int i = 0; i < g.out.height; ++i)
      for (int j = 0; j < g.out.width; ++j)
        for (std::int64_t out = 0; out < g.out.channels; ++out)
          for (int a = 0; a < w.kernel_h; ++a)
            for (int b = 0; b < w.kernel_w; ++b) {
              const int row = i * w.stride_h + a * w.dilation_h - w.pad_top;
              const int column = j * w.stride_w + b * w.dilation_w - w.pad_left;
              if (row < 0 || row >= g.in.height || column < 0 || column >= g.in.width) continue;
              for (std::int64_t c = 0; c < channels; ++c)
                f(((n * g.in.height + row) * g.in.width + column) * g.in.channels + out / filters * channels + c,
                  ((static_cast<std::int64_t>(a) * w.kernel_w + b) * channels + c) * g.out.channels + out,
                  ((n * g.out.height + i) * g.out.width + j) * g.out.channels + out);
            }
}
}  // namespace detail

template <class T>
void conv_forward(const Geometry& g, int batch, const T* x, const T* w, const T* bias, T* y) {
  for (std::int64_t i = 0; i < batch * g.out.size(); ++i) y[i] = bias ? bias[i % g.out.channels] : T(0);
  detail::for_products(g, batch, [=](std::int64_t i, std::int64_t k, std::int64_t o) { y[o] += x[i] * w[k]; });
}

template <class T>
void conv_backward_input(const Geometry& g, int batch, const T* dy, const T* w, T* dx) {
  std::fill_n(dx, batch * g.in.size(), T(0));
  detail::for_products(g, batch, [=](std::int64_t i, std::int64_t k, std::int64_t o) { dx[i] += dy[o] * w[k]; });
}

template <class T>
void conv_backward_weights(const Geometry& g, int batch, const T* x, const T* dy, T* dw, T* db) {
  std::fill_n(dw, g.taps() * g.out.channels, T(0));
  detail::for_products(g, batch, [=](std::int64_t i, std::int64_t k, std::int64_t o) { dw[k] += x[i] * dy[o]; });
  if (!db) return;
  std::fill_n(db, g.out.channels, T(0));
  for (std::int64_t i = 0; i < batch * g.out.size(); ++i) db[i % g.out.channels] += dy[i];
}

// A transposed convolution, by the geometry g of the convolution that it is the transpose of: x (N, g.out), y (N, g.in), w
// (KH,KW,C of y,C of x). Each element of x is spread over the window of y.
template <class T>
void conv_transpose_forward(const Geometry& g, int batch, const T* x, const T* w, const T* bias, T* y) {
  for (std::int64_t i = 0; i < batch * g.in.size(); ++i) y[i] = bias ? bias[i % g.in.channels] : T(0);
  detail::for_products(g, batch, [=](std::int64_t i, std::int64_t k, std::int64_t o) { y[i] += x[o] * w[k]; });
}
template <class T>
void conv_transpose_backward(const Geometry& g, int batch, const T* x, const T* w, const T* dy, T* dx, T* dw, T* db) {
  std::fill_n(dx, batch * g.out.size(), T(0));
  std::fill_n(dw, g.taps() * g.out.channels, T(0));
  detail::for_products(g, batch, [=](std::int64_t i, std::int64_t k, std::int64_t o) {
    dx[o] += dy[i] * w[k];
    dw[k] += dy[i] * x[o];
  });
  if (!db) return;
  std::fill_n(db, g.in.channels, T(0));
  for (std::int64_t i = 0; i < batch * g.in.size(); ++i) db[i % g.in.channels] += dy[i];
}

}  // namespace strata::inline STRATA_ABI::reference
