// SPDX-License-Identifier: BSL-1.0
// Pools. x (N,H,W,C), y (N,H',W',C).
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::reference {

namespace detail {
// Calls f(place in y, place in x, row * W + column) for each real element under each window, row by row.
template <class F>
void for_pooled(const Geometry& g, int batch, F&& f) {
  const Window& w = g.window;
  for (std::int64_t n = 0; n < batch; ++n)
    for (int i = 0; i < g.out.height; ++i)
      for (int j = 0; j < g.out.width; ++j)
        for (int c = 0; c < g.in.channels; ++c)
          for (int a = 0; a < w.kernel_h; ++a)
            for (int b = 0; b < w.kernel_w; ++b) {
              const int row = i * w.stride_h + a * w.dilation_h - w.pad_top;
              const int column = j * w.stride_w + b * w.dilation_w - w.pad_left;
              if (row < 0 || row >= g.in.height || column < 0 || column >= g.in.width) continue;
              const std::int32_t here = row * g.in.width + column;
              f(((n * g.out.height + i) * g.out.width + j) * g.in.channels + c,
                (n * g.in.height * g.in.width + here) * g.in.channels + c, here);
            }
}
// How many elements the mean of each output is over: the real ones of its window, or those of the padded input.
inline std::int64_t counted_elements(const Geometry& g, bool count_padding, std::int64_t y) {
  const Window& w = g.window;
  const std::int64_t place = y / g.in.channels, i = place / g.out.width % g.out.height, j = place % g.out.width;
  std::int64_t count = 0;
  for (int a = 0; a < w.kernel_h; ++a)
    for (int b = 0; b < w.kernel_w; ++b) {
      const std::int64_t row = i * w.stride_h + a * w.dilation_h - w.pad_top;
      const std::int64_t column = j * w.stride_w + b * w.dilation_w - w.pad_left;
      if (count_padding)
        count += row < g.in.height + w.pad_bottom && column < g.in.width + w.pad_right;  // none is before the padding
      else
        count += row >= 0 && row < g.in.height && column >= 0 && column < g.in.width;
    }
  return count;
}
}  // namespace detail

// argmax: row * W + column of the first maximum. A window that is all padding gives 0 and -1. A NaN is larger than any
// number.
template <class T>
void max_pool_forward(const Geometry& g, int batch, const T* x, T* y, std::int32_t* argmax) {
  std::fill_n(y, batch * g.out.size(), T(0));
  std::fill_n(argmax, batch * g.out.size(), -1);
  detail::for_pooled(g, batch, [=](std::int64_t o, std::int64_t i, std::int32_t here) {
    if (argmax[o] >= 0 && !(x[i] > y[o]) && x[i] == x[i]) return;
    y[o] = x[i];
    argmax[o] = here;
  });
}
template <class T>
void max_pool_backward(const Geometry& g, int batch, const T* dy, const std::int32_t* argmax, T* dx) {
  std::fill_n(dx, batch * g.in.size(), T(0));
  detail::for_pooled(g, batch, [=](std::int64_t o, std::int64_t i, std::int32_t here) {
    if (argmax[o] == here) dx[i] += dy[o];
  });
}

// Means over real elements, as in TensorFlow, or over the padding's zeros too; 0 if there are none.
template <class T>
void avg_pool_forward(const Geometry& g, bool count_padding, int batch, const T* x, T* y) {
  std::fill_n(y, batch * g.out.size(), T(0));
  detail::for_pooled(g, batch, [=](std::int64_t o, std::int64_t i, std::int32_t) { y[o] += x[i]; });
  for (std::int64_t o = 0; o < batch * g.out.size(); ++o)
    if (const std::int64_t count = detail::counted_elements(g, count_padding, o); count > 0) y[o] /= static_cast<T>(count);
}
template <class T>
void avg_pool_backward(const Geometry& g, bool count_padding, int batch, const T* dy, T* dx) {
  std::fill_n(dx, batch * g.in.size(), T(0));
  detail::for_pooled(g, batch, [=, &g](std::int64_t o, std::int64_t i, std::int32_t) {
    dx[i] += dy[o] / static_cast<T>(detail::counted_elements(g, count_padding, o));
  });
}

// The mean of one window that is the whole map.
constexpr Geometry whole_map(Shape in) {
  return {in, Shape{1, 1, in.channels}, {.kernel_h = in.height, .kernel_w = in.width}, 1};
}
template <class T>
void global_avg_pool_forward(Shape in, int batch, const T* x, T* y) {
  avg_pool_forward(whole_map(in), false, batch, x, y);
}
template <class T>
void global_avg_pool_backward(Shape in, int batch, const T* dy, T* dx) {
  avg_pool_backward(whole_map(in), false, batch, dy, dx);
}

}  // namespace strata::inline STRATA_ABI::reference
