// SPDX-License-Identifier: BSL-1.0
// Pools. Backward gathers: each element of dx reads the windows that cover it, so that no two indices write to the same
// place. x (N,H,W,C), y (N,H',W',C).
#pragma once
#include <strata/backend/cuda/index.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cuda {

namespace detail {

// One axis of a window over `size` positions.
struct PoolAxis {
  int kernel, stride, dilation, pad, pad_after, size, windows;

  STRATA_HOST_DEVICE constexpr int position(int window, int tap) const { return window * stride + tap * dilation - pad; }
  STRATA_HOST_DEVICE constexpr bool real(int at) const { return at >= 0 && at < size; }
  // How many positions of a window count in a mean.
  STRATA_HOST_DEVICE constexpr int count(int window, bool count_padding) const {
    return counted_taps(window, kernel, stride, dilation, pad, pad_after, size, count_padding);
  }
  // The windows [first, end) whose span contains a position. With a dilation not all of them read it.
  STRATA_HOST_DEVICE constexpr int first(int at) const {
    const int before = at + pad - (kernel - 1) * dilation;
    return before <= 0 ? 0 : (before + stride - 1) / stride;
  }
  STRATA_HOST_DEVICE constexpr int end(int at) const {
    const int last = (at + pad) / stride + 1;
    return last < windows ? last : windows;
  }
  STRATA_HOST_DEVICE constexpr bool takes(int window, int at) const {
    return dilation == 1 || (at + pad - window * stride) % dilation == 0;
  }
};
STRATA_HOST_DEVICE constexpr PoolAxis pool_rows(const Geometry& g) {
  const Window& w = g.window;
  return {w.kernel_h, w.stride_h, w.dilation_h, w.pad_top, w.pad_bottom, g.in.height, g.out.height};
}
STRATA_HOST_DEVICE constexpr PoolAxis pool_columns(const Geometry& g) {
  const Window& w = g.window;
  return {w.kernel_w, w.stride_w, w.dilation_w, w.pad_left, w.pad_right, g.in.width, g.out.width};
}

// Calls f(place in x, row * W + column) for each real element under the window of output o, row by row.
template <class F>
STRATA_HOST_DEVICE void for_pooled(const Geometry& g, std::int64_t o, F&& f) {
  const Place p = place_of(g.out, o);
  const PoolAxis rows = pool_rows(g), columns = pool_columns(g);
  const std::int64_t image = p.sample * g.in.size() + p.channel;
  for (int a = 0; a < rows.kernel; ++a) {
    const int row = rows.position(p.row, a);
    if (!rows.real(row)) continue;
    for (int b = 0; b < columns.kernel; ++b) {
      const int column = columns.position(p.column, b), here = row * g.in.width + column;
      if (columns.real(column)) f(image + std::int64_t{here} * g.in.channels, here);
    }
  }
}
// Calls f(place in y, row and column of the window) for each window that reads element i of x, row by row.
template <class F>
STRATA_HOST_DEVICE void for_windows_over(const Geometry& g, std::int64_t i, F&& f) {
  const Place p = place_of(g.in, i);
  const PoolAxis rows = pool_rows(g), columns = pool_columns(g);
  const std::int64_t image = p.sample * g.out.size() + p.channel;
  for (int a = rows.first(p.row); a < rows.end(p.row); ++a)
    for (int b = columns.first(p.column); b < columns.end(p.column); ++b)
      if (rows.takes(a, p.row) && columns.takes(b, p.column))
        f(image + (std::int64_t{a} * g.out.width + b) * g.out.channels, a, b);
}

template <class T>
struct MaxPoolForward {
  Geometry g;
  const T* x;
  T* y;
  std::int32_t* argmax;
  STRATA_HOST_DEVICE void operator()(std::int64_t o) const {
    Compute<T> best{0};
    std::int32_t at = -1;
    for_pooled(g, o, [&](std::int64_t i, std::int32_t here) {
      const auto v = static_cast<Compute<T>>(x[i]);
      if (at < 0 || v > best || v != v) best = v, at = here;
    });
    y[o] = T(best);
    if (argmax) argmax[o] = at;
  }
};
// If `relu` is not null, dx is 0 where it is not above 0.
template <class T>
struct MaxPoolBackward {
  Geometry g;
  const T *relu, *dy;
  const std::int32_t* argmax;
  T* dx;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    Compute<T> sum{0};
    if (!relu || static_cast<Compute<T>>(relu[i]) > Compute<T>{0}) {
      const Place p = place_of(g.in, i);
      const std::int32_t here = p.row * g.in.width + p.column;
      for_windows_over(g, i, [&](std::int64_t o, int, int) {
        if (argmax[o] == here) sum += static_cast<Compute<T>>(dy[o]);
      });
    }
    dx[i] = T(sum);
  }
};

template <class T>
struct AvgPoolForward {
  Geometry g;
  bool count_padding;
  const T* x;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t o) const {
    Compute<T> sum{0};
    for_pooled(g, o, [&](std::int64_t i, std::int32_t) { sum += static_cast<Compute<T>>(x[i]); });
    const Place p = place_of(g.out, o);
    const int count = pool_rows(g).count(p.row, count_padding) * pool_columns(g).count(p.column, count_padding);
    y[o] = T(count > 0 ? sum / static_cast<Compute<T>>(count) : sum);
  }
};
template <class T>
struct AvgPoolBackward {
  Geometry g;
  bool count_padding;
  const T* dy;
  T* dx;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    Compute<T> sum{0};
    const PoolAxis rows = pool_rows(g), columns = pool_columns(g);
    for_windows_over(g, i, [&](std::int64_t o, int a, int b) {
      sum += static_cast<Compute<T>>(dy[o]) /
             static_cast<Compute<T>>(rows.count(a, count_padding) * columns.count(b, count_padding));
    });
    dx[i] = T(sum);
  }
};

template <class T>
struct GlobalAvgPoolForward {
  int area, channels;
  const T* x;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t o) const {
    const std::int64_t sample = quotient(o, channels), first = sample * area * channels + (o - sample * channels);
    Compute<T> sum{0};
    for (std::int64_t i = 0; i < area; ++i) sum += static_cast<Compute<T>>(x[first + i * channels]);
    y[o] = T(sum / static_cast<Compute<T>>(area));
  }
};
template <class T>
struct GlobalAvgPoolBackward {
  int area, channels;
  const T* dy;
  T* dx;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t pixel = quotient(i, channels), sample = quotient(pixel, area);
    const std::int64_t o = sample * channels + (i - pixel * channels);
    dx[i] = T(static_cast<Compute<T>>(dy[o]) / static_cast<Compute<T>>(area));
  }
};

}  // namespace detail

// argmax: row * W + column in the sample of each maximum, the first if there are several; it may be null. Padding is never
// picked; a window that is all padding gives 0 and -1. If a window has a NaN, the result is NaN.
template <Run R, class T>
void max_pool_forward(R& run, const Geometry& g, int batch, const T* x, T* y, std::int32_t* argmax) {
  run(batch * g.out.size(), detail::MaxPoolForward<T>{g, x, y, argmax});
}
template <Run R, class T>
void max_pool_backward(R& run, const Geometry& g, int batch, const T* dy, const std::int32_t* argmax, T* dx) {
  run(batch * g.in.size(), detail::MaxPoolBackward<T>{g, nullptr, dy, argmax, dx});
}
// In one pass through the ReLU before the pool too; x is the ReLU's output.
template <Run R, class T>
void relu_max_pool_backward(R& run, const Geometry& g, int batch, const T* x, const T* dy, const std::int32_t* argmax,
                            T* dx) {
  run(batch * g.in.size(), detail::MaxPoolBackward<T>{g, x, dy, argmax, dx});
}

// Means over real elements, as in TensorFlow, or over the padding's zeros too; 0 if there are none.
template <Run R, class T>
void avg_pool_forward(R& run, const Geometry& g, bool count_padding, int batch, const T* x, T* y) {
  run(batch * g.out.size(), detail::AvgPoolForward<T>{g, count_padding, x, y});
}
template <Run R, class T>
void avg_pool_backward(R& run, const Geometry& g, bool count_padding, int batch, const T* dy, T* dx) {
  run(batch * g.in.size(), detail::AvgPoolBackward<T>{g, count_padding, dy, dx});
}

template <Run R, class T>
void global_avg_pool_forward(R& run, Shape in, int batch, const T* x, T* y) {
  run(std::int64_t{batch} * in.channels, detail::GlobalAvgPoolForward<T>{in.height * in.width, in.channels, x, y});
}
template <Run R, class T>
void global_avg_pool_backward(R& run, Shape in, int batch, const T* dy, T* dx) {
  run(batch * in.size(), detail::GlobalAvgPoolBackward<T>{in.height * in.width, in.channels, dy, dx});
}

}  // namespace strata::inline STRATA_ABI::cuda
