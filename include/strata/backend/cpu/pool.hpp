// SPDX-License-Identifier: BSL-1.0
// Pools. x (N,H,W,C), y (N,H',W',C).
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/ranges.hpp>
#include <strata/backend/cpu/simd.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu {

namespace detail {
// The real elements of a window on one axis, in steps of the dilation; empty if there are none.
inline IndexRange real_elements(int start, int kernel, int dilation, int size) {
  return {start < 0 ? start + (-start + dilation - 1) / dilation * dilation : start,
          std::min(start + (kernel - 1) * dilation + 1, size)};
}
// For the windows of these rows of the output: calls f(row of the output, first row, end row), over real rows only.
template <class F>
void for_window_rows(const Geometry& g, IndexRange rows, F&& f) {
  const Window& w = g.window;
  for (int i = rows.first; i < rows.end; ++i) {
    const IndexRange real = real_elements(i * w.stride_h - w.pad_top, w.kernel_h, w.dilation_h, g.in.height);
    f(i, real.first, real.end);
  }
}
// Calls f(output position, first row, end row, first column, end column), over real elements only.
template <class F>
void for_windows(const Geometry& g, IndexRange rows, F&& f) {
  const Window& w = g.window;
  for_window_rows(g, rows, [&](int i, int top, int bottom) {
    for (int j = 0; j < g.out.width; ++j) {
      const IndexRange real = real_elements(j * w.stride_w - w.pad_left, w.kernel_w, w.dilation_w, g.in.width);
      f(i * g.out.width + j, top, bottom, real.first, real.end);
    }
  });
}
// Calls f(sample, rows of the output), several tasks for a large map.
template <class F>
void for_rows_of_samples(const Geometry& g, int batch, ThreadPool& pool, F&& f) {
  const std::int64_t row = static_cast<std::int64_t>(g.out.width) * g.out.channels;
  const auto each = static_cast<int>(std::clamp<std::int64_t>(16384 / row, 1, g.out.height));
  const int parts = (g.out.height + each - 1) / each;
  pool.parallel_for(batch * parts, [&](int task, int) {
    const int first = task % parts * each;
    f(task / parts, IndexRange{first, std::min(first + each, g.out.height)});
  });
}
}  // namespace detail

namespace detail {

// The elements of one window in a map with `width` columns and `channels`. Empty if bottom <= top or right <= left.
struct PoolWindow {
  int top, bottom, left, right, step_h, step_w, width, channels;
};

// The maximum of a window and its position for each channel, several channels at once in registers.
template <class T>
struct MaxPoolKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const T* image, const PoolWindow& w, T* out, std::int32_t* where) {
    constexpr int lanes = lanes_of<T, Bytes>;
    int c = 0;
    if constexpr (sizeof(T) == sizeof(std::int32_t))  // a mask must be as wide as the elements that it selects
      for (; c + lanes <= w.channels; c += lanes) {
        using numbers = vector<T, Bytes>;
        using integers = vector<std::int32_t, Bytes>;
        const std::int32_t start = w.top * w.width + w.left;
        numbers best;
        load(best, image + static_cast<std::int64_t>(start) * w.channels + c);
        integers at = start - integers{};
        integers unordered = at | -1;  // where a NaN is. g++ 12 makes scalar code of that test joined with x > best.
        for (int i = w.top; i < w.bottom; i += w.step_h)
          for (int j = w.left; j < w.right; j += w.step_w) {
            const std::int32_t here = i * w.width + j;
            numbers x;
            load(x, image + static_cast<std::int64_t>(here) * w.channels + c);
            const integers position = here - integers{};
            at = x > best ? position : at;
            best = x > best ? x : best;
            unordered = x != x ? position : unordered;
          }
        at = unordered >= 0 ? unordered : at;
        numbers nan;
        fill(nan, std::numeric_limits<T>::quiet_NaN());
        best = unordered >= 0 ? nan : best;
        store(out + c, best);
        store(where + c, at);
      }
    for (; c < w.channels; ++c) {
      std::int32_t at = w.top * w.width + w.left;
      T best = image[static_cast<std::int64_t>(at) * w.channels + c];
      for (int i = w.top; i < w.bottom; i += w.step_h)
        for (int j = w.left; j < w.right; j += w.step_w) {
          const T x = image[(static_cast<std::int64_t>(i) * w.width + j) * w.channels + c];
          if (x > best || x != x) best = x, at = i * w.width + j;
        }
      out[c] = best, where[c] = at;
    }
  }
  using table = versions<MaxPoolKernel, const T*, const PoolWindow&, T*, std::int32_t*>;
};

// The maximum alone; NaN if the window has one.
template <class T>
struct MaximumKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const T* image, const PoolWindow& w, T* out) {
    constexpr int lanes = lanes_of<T, Bytes>, at_once = 4;
    const std::int64_t from = static_cast<std::int64_t>(w.top * w.width + w.left) * w.channels;
    int c = 0;
    for (; c + at_once * lanes <= w.channels; c += at_once * lanes) columns<Bytes, at_once>(image + c, from, w, out + c);
    // The last vector begins earlier if it does not fit.
    for (; w.channels >= lanes && c < w.channels; c += lanes) {
      const int at = std::min(c, w.channels - lanes);
      columns<Bytes, 1>(image + at, from, w, out + at);
    }
    for (; c < w.channels; ++c) {
      T best = image[from + c];
      for (int i = w.top; i < w.bottom; i += w.step_h)
        for (int j = w.left; j < w.right; j += w.step_w) {
          const T x = image[(static_cast<std::int64_t>(i) * w.width + j) * w.channels + c];
          if (x > best || x != x) best = x;
        }
      out[c] = best;
    }
  }
  template <int Bytes, int Count>
  STRATA_INLINE static void columns(const T* image, std::int64_t from, const PoolWindow& w, T* out) {
    using vector = detail::vector<T, Bytes>;
    constexpr int lanes = lanes_of<T, Bytes>;
    vector best[std::size_t{Count}], none[std::size_t{Count}];  // none: a NaN, if there was one
    STRATA_UNROLL for (int v = 0; v < Count; ++v) load(best[v], image + from + v * lanes), none[v] = best[v];
    for (int i = w.top; i < w.bottom; i += w.step_h)
      for (int j = w.left; j < w.right; j += w.step_w) {
        const T* at = image + (static_cast<std::int64_t>(i) * w.width + j) * w.channels;
        STRATA_UNROLL for (int v = 0; v < Count; ++v) {
          vector x;
          load(x, at + v * lanes);
          best[v] = x > best[v] ? x : best[v];
          none[v] = x != x ? x : none[v];
        }
      }
    STRATA_UNROLL for (int v = 0; v < Count; ++v) {
      best[v] = none[v] != none[v] ? none[v] : best[v];
      store(out + v * lanes, best[v]);
    }
  }
  using table = versions<MaximumKernel, const T*, const PoolWindow&, T*>;
};

// The maxima of a row of windows, of which rows [top, bottom) are real. With few channels most of a vector would be empty.
// So the maxima of columns come first, for which all elements of a row of the map are neighbours, then those of windows.
template <class T>
struct MaximumRow {
  // The rows of the map and of the output stay in the first-level cache.
  static constexpr int most_channels = 15, least_elements = lanes_of<T, 64>, most_elements = 2048;
  static bool applies(const Geometry& g) {
    const int in = g.in.width * g.in.channels, out = g.out.width * g.in.channels;
    return g.in.channels <= most_channels && in >= least_elements && std::max(in, out) <= most_elements;
  }

  template <int Bytes>
  STRATA_INLINE static void run(const T* image, const Geometry& g, int top, int bottom, T* out) {
    using vector = detail::vector<T, Bytes>;
    constexpr int lanes = lanes_of<T, Bytes>;
    const Window& w = g.window;
    const int channels = g.in.channels, elements = g.in.width * channels;
    constexpr std::size_t room = most_elements + lanes;  // a window's vector may reach past the last element
    T columns[room], maxima[room];
    vector best, none;
    for (int k = 0; k < elements; k += lanes) {
      const int at = std::min(k, elements - lanes);
      const T* from = image + static_cast<std::int64_t>(top) * elements + at;
      load(best, from), none = best;
      for (int i = top + w.dilation_h; i < bottom; i += w.dilation_h)
        take(from += static_cast<std::int64_t>(w.dilation_h) * elements, best, none);
      best = none != none ? none : best;
      store(columns + at, best);
    }
    store(columns + elements, vector{});
    for (int j = 0; j < g.out.width; ++j) {
      const IndexRange taps = taps_on(j, w.stride_w, w.dilation_w, w.kernel_w, w.pad_left, g.in.width);
      for (int c = 0; c < channels; c += lanes) {
        best = vector{};
        if (taps.first < taps.end) {
          const T* from = columns + (j * w.stride_w - w.pad_left + taps.first * w.dilation_w) * channels + c;
          load(best, from), none = best;
          for (int t = taps.first + 1; t < taps.end; ++t) take(from += w.dilation_w * channels, best, none);
          best = none != none ? none : best;
        }
        store(maxima + j * channels + c, best);
      }
    }
    std::copy_n(maxima, g.out.width * channels, out);
  }
  // none: a NaN, if there was one. g++ 12 makes scalar code of that test joined with x > best.
  template <class V>
  STRATA_INLINE static void take(const T* from, V& best, V& none) {
    V x;
    load(x, from);
    best = x > best ? x : best;
    none = x != x ? x : none;
  }
  using table = versions<MaximumRow, const T*, const Geometry&, int, int, T*>;
};

}  // namespace detail

// argmax: row * W + column in the sample of each maximum, the first if there are several. Padding is never picked; a window
// that is all padding gives 0 and -1. If a window has a NaN, the result is NaN. argmax may be null.
template <class T>
void max_pool_forward(const Geometry& g, int batch, const T* x, T* y, std::int32_t* argmax, ThreadPool& pool) {
  const int channels = g.in.channels;
  const auto largest = detail::MaxPoolKernel<T>::table::of(detail::path_now());
  const auto maximum = detail::MaximumKernel<T>::table::of(detail::path_for<T>(channels, detail::Rest::cheap));
  const auto row = detail::MaximumRow<T>::table::of(detail::path_within<T>(channels));
  const bool by_rows = !argmax && detail::MaximumRow<T>::applies(g);
  detail::for_rows_of_samples(g, batch, pool, [=, &g](int sample, detail::IndexRange rows) {
    const T* image = x + sample * g.in.size();
    T* out = y + sample * g.out.size();
    if (by_rows) {
      detail::for_window_rows(g, rows, [&](int i, int top, int bottom) {
        T* to = out + static_cast<std::int64_t>(i) * g.out.width * channels;
        if (top < bottom)
          row(image, g, top, bottom, to);
        else
          std::fill_n(to, g.out.width * channels, T{0});
      });
      return;
    }
    std::int32_t* where = argmax ? argmax + sample * g.out.size() : nullptr;
    detail::for_windows(g, rows, [&](int position, int top, int bottom, int left, int right) {
      const std::int64_t first = static_cast<std::int64_t>(position) * channels;
      const detail::PoolWindow window{top,        bottom,  left, right, g.window.dilation_h, g.window.dilation_w,
                                      g.in.width, channels};
      if (top >= bottom || left >= right) {
        std::fill_n(out + first, channels, T{0});
        if (where) std::fill_n(where + first, channels, -1);
      } else if (where) {
        largest(image, window, out + first, where + first);
      } else {
        maximum(image, window, out + first);
      }
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

namespace detail {
// How many elements the mean at an output position is over; at least 1.
inline int counted_elements(const Geometry& g, bool count_padding, int position) {
  const Window& w = g.window;
  const int rows = counted_taps(position / g.out.width, w.kernel_h, w.stride_h, w.dilation_h, w.pad_top, w.pad_bottom,
                                g.in.height, count_padding);
  const int columns = counted_taps(position % g.out.width, w.kernel_w, w.stride_w, w.dilation_w, w.pad_left, w.pad_right,
                                   g.in.width, count_padding);
  return std::max(1, rows * columns);
}
}  // namespace detail

// Means over real elements, as in TensorFlow, or over the padding's zeros too; 0 if there are none.
template <class T>
void avg_pool_forward(const Geometry& g, bool count_padding, int batch, const T* x, T* y, ThreadPool& pool) {
  const int channels = g.in.channels;
  detail::for_rows_of_samples(g, batch, pool, [=, &g](int sample, detail::IndexRange rows) {
    const T* image = x + sample * g.in.size();
    T* out = y + sample * g.out.size();
    detail::for_windows(g, rows, [&](int position, int top, int bottom, int left, int right) {
      Array<T> sum(out + static_cast<std::int64_t>(position) * channels, channels);
      sum.setZero();
      for (int i = top; i < bottom; i += g.window.dilation_h)
        for (int j = left; j < right; j += g.window.dilation_w)
          sum += ConstArray<T>(image + (static_cast<std::int64_t>(i) * g.in.width + j) * channels, channels);
      sum /= static_cast<T>(detail::counted_elements(g, count_padding, position));
    });
  });
}
template <class T>
void avg_pool_backward(const Geometry& g, bool count_padding, int batch, const T* dy, T* dx, ThreadPool& pool) {
  const int channels = g.in.channels;
  pool.parallel_for(batch, [=, &g](int sample, int) {
    T* to = dx + sample * g.in.size();
    std::fill_n(to, g.in.size(), T{0});
    const T* from = dy + sample * g.out.size();
    detail::for_windows(g, {0, g.out.height}, [&](int position, int top, int bottom, int left, int right) {
      const ConstArray<T> gradient(from + static_cast<std::int64_t>(position) * channels, channels);
      const T count = static_cast<T>(detail::counted_elements(g, count_padding, position));
      for (int i = top; i < bottom; i += g.window.dilation_h)
        for (int j = left; j < right; j += g.window.dilation_w)
          Array<T>(to + (static_cast<std::int64_t>(i) * g.in.width + j) * channels, channels) += gradient / count;
    });
  });
}

template <class T>
void global_avg_pool_forward(Shape in, int batch, const T* x, T* y, ThreadPool& pool) {
  constexpr int most = 64;
  const std::int64_t area = static_cast<std::int64_t>(in.height) * in.width;
  const int parts = (in.channels + most - 1) / most;
  pool.parallel_for(batch * parts, [=](int task, int) {
    const int sample = task / parts, c = task % parts * most;
    const std::int64_t count = std::min(most, in.channels - c);
    Array<T>(y + static_cast<std::int64_t>(sample) * in.channels + c, count) =
        sum_rows<T, most>(
            area, count,
            [&](auto& sums, std::int64_t i) { sums += ConstArray<T>(x + (sample * area + i) * in.channels + c, count); }) /
        static_cast<T>(area);
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

}  // namespace strata::inline STRATA_ABI::cpu
