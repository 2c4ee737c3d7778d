// SPDX-License-Identifier: BSL-1.0
// Pools. A task is a sample. x (N,H,W,C), y (N,H',W',C).
#pragma once
#include <limits>

#include <strata/backend/eigen/chunks.hpp>
#include <strata/core/window.hpp>

namespace strata::eigen {

namespace detail {
// Calls f(output position, first row, end row, first column, end column, in steps of the dilation) over real elements only.
template <class F>
void for_windows(const Geometry& g, F&& f) {
  const Window& w = g.window;
  const auto clip = [](int start, int kernel, int dilation, int size, int& first, int& end) {
    first = start < 0 ? start + (-start + dilation - 1) / dilation * dilation : start;
    end = std::min(start + (kernel - 1) * dilation + 1, size);
  };
  int top = 0, bottom = 0, left = 0, right = 0;
  for (int i = 0; i < g.out.height; ++i) {
    clip(i * w.stride_h - w.pad_top, w.kernel_h, w.dilation_h, g.in.height, top, bottom);
    for (int j = 0; j < g.out.width; ++j) {
      clip(j * w.stride_w - w.pad_left, w.kernel_w, w.dilation_w, g.in.width, left, right);
      f(i * g.out.width + j, top, bottom, left, right);
    }
  }
}
}  // namespace detail

// argmax: row * W + column in the sample of each maximum, the first where several are largest. Padding is never picked; a
// window that sees nothing else gives 0 and -1. A NaN under the window comes out.
template <class T>
void max_pool_forward(const Geometry& g, int batch, const T* x, T* y, std::int32_t* argmax, ThreadPool& pool) {
  const int channels = g.in.channels;
  pool.parallel_for(batch, [=, &g](int sample, int) {
    const T* image = x + sample * g.in.size();
    T* out = y + sample * g.out.size();
    std::int32_t* where = argmax + sample * g.out.size();
    detail::for_windows(g, [&](int position, int top, int bottom, int left, int right) {
      T* best = out + static_cast<std::int64_t>(position) * channels;
      std::int32_t* at = where + static_cast<std::int64_t>(position) * channels;
      bool first = true;
      for (int i = top; i < bottom; i += g.window.dilation_h)
        for (int j = left; j < right; j += g.window.dilation_w) {
          const std::int32_t here = i * g.in.width + j;
          const T* from = image + static_cast<std::int64_t>(here) * channels;
          if (first) {
            for (int c = 0; c < channels; ++c) best[c] = from[c], at[c] = here;
            first = false;
            continue;
          }
          for (int c = 0; c < channels; ++c) {
            const bool take = from[c] > best[c] || from[c] != from[c];
            best[c] = take ? from[c] : best[c];
            at[c] = take ? here : at[c];
          }
        }
      if (first)
        for (int c = 0; c < channels; ++c) best[c] = T{0}, at[c] = -1;
    });
  });
}
template <class T>
void max_pool_backward(const Geometry& g, int batch, const T* dy, const std::int32_t* argmax, T* dx, ThreadPool& pool) {
  const int channels = g.in.channels;
  pool.parallel_for(batch, [=, &g](int sample, int) {
    T* to = dx + sample * g.in.size();
    std::fill_n(to, g.in.size(), T{0});
    const std::int64_t base = sample * g.out.size();
    for (std::int64_t i = 0; i < g.out.size(); i += channels)
      for (int c = 0; c < channels; ++c)
        if (const std::int32_t at = argmax[base + i + c]; at >= 0)
          to[static_cast<std::int64_t>(at) * channels + c] += dy[base + i + c];
  });
}

// Means over real elements, as TensorFlow counts.
template <class T>
void avg_pool_forward(const Geometry& g, int batch, const T* x, T* y, ThreadPool& pool) {
  const int channels = g.in.channels;
  pool.parallel_for(batch, [=, &g](int sample, int) {
    const T* image = x + sample * g.in.size();
    T* out = y + sample * g.out.size();
    detail::for_windows(g, [&](int position, int top, int bottom, int left, int right) {
      Array<T> sum(out + static_cast<std::int64_t>(position) * channels, channels);
      sum.setZero();
      int count = 0;
      for (int i = top; i < bottom; i += g.window.dilation_h)
        for (int j = left; j < right; j += g.window.dilation_w, ++count)
          sum += ConstArray<T>(image + (static_cast<std::int64_t>(i) * g.in.width + j) * channels, channels);
      if (count > 0) sum /= static_cast<T>(count);
    });
  });
}
template <class T>
void avg_pool_backward(const Geometry& g, int batch, const T* dy, T* dx, ThreadPool& pool) {
  const int channels = g.in.channels;
  pool.parallel_for(batch, [=, &g](int sample, int) {
    T* to = dx + sample * g.in.size();
    std::fill_n(to, g.in.size(), T{0});
    const T* from = dy + sample * g.out.size();
    detail::for_windows(g, [&](int position, int top, int bottom, int left, int right) {
      const ConstArray<T> gradient(from + static_cast<std::int64_t>(position) * channels, channels);
      const auto steps = [](int first, int end, int step) { return end <= first ? 0 : (end - first + step - 1) / step; };
      const int count = steps(top, bottom, g.window.dilation_h) * steps(left, right, g.window.dilation_w);
      for (int i = top; i < bottom; i += g.window.dilation_h)
        for (int j = left; j < right; j += g.window.dilation_w)
          Array<T>(to + (static_cast<std::int64_t>(i) * g.in.width + j) * channels, channels) +=
              gradient / static_cast<T>(count);
    });
  });
}

template <class T>
void global_avg_pool_forward(Shape in, int batch, const T* x, T* y, ThreadPool& pool) {
  const std::int64_t area = static_cast<std::int64_t>(in.height) * in.width;
  pool.parallel_for(batch, [=](int sample, int) {
    Array<T> sum(y + static_cast<std::int64_t>(sample) * in.channels, in.channels);
    sum.setZero();
    for (std::int64_t i = 0; i < area; ++i) sum += ConstArray<T>(x + (sample * area + i) * in.channels, in.channels);
    sum /= static_cast<T>(area);
  });
}
template <class T>
void global_avg_pool_backward(Shape in, int batch, const T* dy, T* dx, ThreadPool& pool) {
  const std::int64_t area = static_cast<std::int64_t>(in.height) * in.width;
  pool.parallel_for(batch, [=](int sample, int) {
    const ConstArray<T> gradient(dy + static_cast<std::int64_t>(sample) * in.channels, in.channels);
    for (std::int64_t i = 0; i < area; ++i)
      Array<T>(dx + (sample * area + i) * in.channels, in.channels) = gradient / static_cast<T>(area);
  });
}

}  // namespace strata::eigen
