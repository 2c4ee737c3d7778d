// SPDX-License-Identifier: BSL-1.0
// Depthwise convolutions: a group has one channel, so that nothing is summed over channels, vectors run along them, and no
// operand is copied. x (N,H,W,C), w (KH,KW,1,F), y (N,H',W',F); filters c * F / C to (c + 1) * F / C read channel c.
#pragma once
#include <algorithm>
#include <cstdint>
#include <numeric>

#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/finish.hpp>
#include <strata/backend/cpu/ranges.hpp>
#include <strata/backend/cpu/simd.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu::detail {

// A tap under the first output of a segment: where it reads, and its weights (or their sums).
struct DepthwiseTap {
  std::int64_t from, weight;
};

// `columns` outputs that have the same taps, all channels. The source of output t begins at x + t * step, its result at
// y + t * step_y. bias may be null. At least one vector of channels.
template <class T>
struct DepthwiseSegment {
  template <int Bytes>
  STRATA_INLINE static void run(const T* x, std::int64_t step, const T* w, const T* bias, const DepthwiseTap* taps,
                                int count, int channels, Limits limits, T* y, std::int64_t step_y, int columns) {
    constexpr int lanes = lanes_of<T, Bytes>, most = registers_for(Bytes) / 4;
    // The last vector of channels and the last tile of columns begin earlier if they do not fit; some results are then
    // computed twice.
    const bool tiles = columns >= most;
    for (int at = 0, t = 0; at < columns; at += tiles ? most : 1) {
      t = tiles ? std::min(at, columns - most) : at;
      for (int from = 0; from < channels; from += lanes) {
        const int c = std::min(from, channels - lanes);
        const T *source = x + t * step + c, *weights = w + c, *first = bias ? bias + c : nullptr;
        if (tiles)
          tile<Bytes, most>(source, step, weights, first, taps, count, limits, y + t * step_y + c, step_y);
        else
          tile<Bytes, 1>(source, step, weights, first, taps, count, limits, y + t * step_y + c, step_y);
      }
    }
  }
  template <int Bytes, int Columns>
  STRATA_INLINE static void tile(const T* x, std::int64_t step, const T* w, const T* bias, const DepthwiseTap* taps,
                                 int count, Limits limits, T* y, std::int64_t step_y) {
    using vector = detail::vector<T, Bytes>;
    vector sum[std::size_t{Columns}]{};
    if (bias) {
      STRATA_UNROLL for (int j = 0; j < Columns; ++j) load(sum[j], bias);
    }
    for (int k = 0; k < count; ++k) {
      vector weight;
      load(weight, w + taps[k].weight);
      const T* from = x + taps[k].from;
      STRATA_UNROLL for (int j = 0; j < Columns; ++j) {
        vector value;
        load(value, from);
        sum[j] += value * weight;
        from += step;
      }
    }
    const bool limited = limits.any();
    STRATA_UNROLL for (int j = 0; j < Columns; ++j) {
      if (limited) cut(sum[j], static_cast<T>(limits.low), static_cast<T>(limits.high));
      store(y, sum[j]);
      y += step_y;
    }
  }
  using table = versions<DepthwiseSegment, const T*, std::int64_t, const T*, const T*, const DepthwiseTap*, int, int,
                         Limits, T*, std::int64_t, int>;
};

// Adds to the sums of one vector of channels, for each tap, the products of `columns` elements of x and dy.
template <class T>
struct DepthwiseProducts {
  template <int Bytes>
  STRATA_INLINE static void run(const T* x, std::int64_t step, const T* dy, std::int64_t step_dy, int columns,
                                const DepthwiseTap* taps, int count, T* sums) {
    int k = 0;
    for (; k + at_once <= count; k += at_once) add<Bytes, at_once>(x, step, dy, step_dy, columns, taps + k, sums);
    for (; k < count; ++k) add<Bytes, 1>(x, step, dy, step_dy, columns, taps + k, sums);
  }
  static constexpr int at_once = 3;  // taps, and columns: nine independent sums keep the units for products busy
  template <int Bytes, int Taps>
  STRATA_INLINE static void add(const T* x, std::int64_t step, const T* dy, std::int64_t step_dy, int columns,
                                const DepthwiseTap* taps, T* sums) {
    using vector = detail::vector<T, Bytes>;
    vector sum[std::size_t{Taps}][std::size_t{at_once}]{};
    const T* from[std::size_t{Taps}];
    STRATA_UNROLL for (int k = 0; k < Taps; ++k) {
      from[k] = x + taps[k].from;
      load(sum[k][0], sums + taps[k].weight);
    }
    int t = columns;
    for (; t >= at_once; t -= at_once) {
      STRATA_UNROLL for (int j = 0; j < at_once; ++j) {
        vector g;
        load(g, dy);
        dy += step_dy;
        STRATA_UNROLL for (int k = 0; k < Taps; ++k) {
          vector value;
          load(value, from[k]);
          from[k] += step;
          sum[k][j] += value * g;
        }
      }
    }
    for (; t > 0; --t) {
      vector g;
      load(g, dy);
      dy += step_dy;
      STRATA_UNROLL for (int k = 0; k < Taps; ++k) {
        vector value;
        load(value, from[k]);
        from[k] += step;
        sum[k][0] += value * g;
      }
    }
    STRATA_UNROLL for (int k = 0; k < Taps; ++k) store(sums + taps[k].weight, sum[k][0] + sum[k][1] + sum[k][2]);
  }
  using table =
      versions<DepthwiseProducts, const T*, std::int64_t, const T*, std::int64_t, int, const DepthwiseTap*, int, T*>;
};

// One axis: output t is at position out + t * out_step; its tap number m is position tap + m * tap_step of the kernel and
// reads position t * step + base + m * advance, if that is in [0, limit).
struct DepthwiseAxis {
  int outputs, out, out_step;
  int taps, tap, tap_step;
  int step, base, advance, limit;

  [[nodiscard]] int position(int t, int m) const { return t * step + base + m * advance; }
  // The taps that read something.
  [[nodiscard]] IndexRange reaching(int t) const {
    IndexRange r{0, taps};
    const auto reads = [&](int m) { return position(t, m) >= 0 && position(t, m) < limit; };
    while (r.first < r.end && !reads(r.first)) ++r.first;
    while (r.first < r.end && !reads(r.end - 1)) --r.end;
    return r;
  }
  // How many outputs from t on have the same taps as t, given that t reads with all of them.
  [[nodiscard]] int alike(int t) const {
    const int last = std::max(position(t, 0), position(t, taps - 1));
    return std::min(outputs - t, (limit - 1 - last) / step + 1);
  }
};
inline DepthwiseAxis forward_axis(int outputs, int kernel, int stride, int dilation, int before, int size) {
  return {outputs, 0, 1, kernel, 0, 1, stride, -before, dilation, size};
}
// The inputs `residue` + t * stride, and the outputs that read them.
inline DepthwiseAxis backward_axis(int residue, int outputs, int kernel, int stride, int dilation, int before, int size) {
  const int common = std::gcd(stride, dilation), every = stride / common;
  DepthwiseAxis a{std::max(0, (size - residue + stride - 1) / stride),
                  residue,
                  stride,
                  0,
                  0,
                  every,
                  1,
                  0,
                  -(dilation / common),
                  outputs};
  while (a.tap < every && (residue + before - a.tap * dilation) % stride != 0) ++a.tap;
  if (a.tap < every && a.tap < kernel) a.taps = (kernel - a.tap + every - 1) / every;
  a.base = (residue + before - a.tap * dilation) / stride;
  return a;
}

// Calls f(first output of the columns, columns, taps, count) for the segments of a row of outputs: neighbours with the same
// taps. A position of the source has `channels` elements, `width` positions are a row; a tap has `weights` elements,
// `kernel_width` taps are a row of the kernel.
template <class F>
void for_segments(const DepthwiseAxis& rows, int row, const DepthwiseAxis& columns, int channels, int width, int weights,
                  int kernel_width, F&& f) {
  DepthwiseTap taps[depthwise_most_taps];
  const IndexRange down = rows.reaching(row);
  for (int t = 0, many = 1; t < columns.outputs; t += many) {
    const IndexRange across = columns.reaching(t);
    many = across.first == 0 && across.end == columns.taps && columns.taps > 0 ? columns.alike(t) : 1;
    int count = 0;
    for (int a = down.first; a < down.end; ++a)
      for (int b = across.first; b < across.end; ++b) {
        const std::int64_t row_of_kernel = rows.tap + a * rows.tap_step;
        taps[count++] = {(static_cast<std::int64_t>(rows.position(row, a)) * width + columns.position(t, b)) * channels,
                         (row_of_kernel * kernel_width + columns.tap + b * columns.tap_step) * weights};
      }
    f(t, many, taps, count);
  }
}

// A row of outputs, from the map of one sample. stride: from position to position of y.
template <class T>
void depthwise_row(typename DepthwiseSegment<T>::table::function run, const DepthwiseAxis& rows, int row,
                   const DepthwiseAxis& columns, int channels, int width, int kernel_width, const T* x, const T* w,
                   const T* bias, Limits limits, T* y, int width_y, int stride) {
  T* to = y + (static_cast<std::int64_t>(rows.out) + row * rows.out_step) * width_y * stride;
  const std::int64_t step_y = static_cast<std::int64_t>(columns.out_step) * stride;
  for_segments(rows, row, columns, channels, width, channels, kernel_width,
               [&](int t, int many, const DepthwiseTap* taps, int count) {
                 run(x, static_cast<std::int64_t>(columns.step) * channels, w, bias, taps, count, channels, limits,
                     to + static_cast<std::int64_t>(columns.out) * stride + t * step_y, step_y, many);
               });
}

// For filters [first, first + count) the channels that they read, or for all filters the sum of what they send back.
template <class T>
void repeat_channels(std::int64_t positions, int channels, int times, int first, int count, const T* x, T* to) {
  for (std::int64_t i = 0; i < positions; ++i, x += channels)
    for (int f = first; f < first + count; ++f) *to++ = x[f / times];
}
template <class T>
void sum_repeated(std::int64_t positions, int channels, int times, const T* from, T* to) {
  for (std::int64_t i = 0; i < positions * channels; ++i, from += times) to[i] = std::accumulate(from, from + times, T{0});
}

// Rows of a task. If several filters read a channel it is the whole sample, whose channels are repeated first.
constexpr int depthwise_rows(const Geometry& g, int rows, int width) {
  constexpr std::int64_t enough = 16384;  // elements
  if (g.in.channels < g.out.channels) return rows;
  return static_cast<int>(std::clamp<std::int64_t>(enough / (static_cast<std::int64_t>(width) * g.out.channels), 1, rows));
}

// stride: from position to position of y. finish may be null.
template <class T>
void depthwise_forward(const Geometry& g, int batch, const T* x, const T* w, const T* bias, Limits limits, T* y, int stride,
                       ThreadPool& pool, T* scratch, const Finish<T>* finish = nullptr) {
  const Window& win = g.window;
  const int times = g.out.channels / g.in.channels;
  const std::int64_t out_size = static_cast<std::int64_t>(g.out.height) * g.out.width * stride;
  const auto run = DepthwiseSegment<T>::table::of(path_for<T>(g.out.channels, Rest::cheap));
  const DepthwiseAxis rows =
      forward_axis(g.out.height, win.kernel_h, win.stride_h, win.dilation_h, win.pad_top, g.in.height);
  const DepthwiseAxis columns =
      forward_axis(g.out.width, win.kernel_w, win.stride_w, win.dilation_w, win.pad_left, g.in.width);
  const Parts parts(g.out.height, depthwise_rows(g, g.out.height, g.out.width), times > 1 ? g.out.height : 1, pool.size());
  pool.parallel_for(batch * parts.count(), [=, &rows, &columns](int task, int worker) {
    const int sample = task / parts.count(), part = task % parts.count();
    const auto first = static_cast<int>(parts.first(part)), end = static_cast<int>(parts.first(part + 1));
    const T* map = x + sample * g.in.size();
    if (times > 1) {
      T* repeated = scratch + worker * depthwise_repeated(g);
      repeat_channels(static_cast<std::int64_t>(g.in.height) * g.in.width, g.in.channels, times, 0, g.out.channels, map,
                      repeated);
      map = repeated;
    }
    for (int i = first; i < end; ++i) {
      depthwise_row(run, rows, i, columns, g.out.channels, g.in.width, win.kernel_w, map, w, bias, limits,
                    y + sample * out_size, g.out.width, stride);
      if (finish)
        (*finish)(y, sample* out_size + static_cast<std::int64_t>(i) * g.out.width * stride, g.out.width, stride, 0,
                  g.out.channels);
    }
  });
}

// Inputs a stride apart are read through the same taps, so that each residue is a pass of its own.
template <class T>
void depthwise_backward_input(const Geometry& g, int batch, const T* dy, const T* w, T* dx, ThreadPool& pool, T* scratch) {
  const Window& win = g.window;
  const int times = g.out.channels / g.in.channels;
  const auto run = DepthwiseSegment<T>::table::of(path_for<T>(g.out.channels, Rest::cheap));
  const int at_once = depthwise_rows(g, g.in.height, g.in.width), tasks = (g.in.height + at_once - 1) / at_once;
  pool.parallel_for(batch * tasks, [=](int task, int worker) {
    const int sample = task / tasks, first = task % tasks * at_once, end = std::min(first + at_once, g.in.height);
    T* to = dx + sample * g.in.size();
    T* map = times > 1 ? scratch + worker * depthwise_repeated(g) : to;
    for (int i = first; i < end; ++i) {
      const DepthwiseAxis rows = backward_axis(i % win.stride_h, g.out.height, win.kernel_h, win.stride_h, win.dilation_h,
                                               win.pad_top, g.in.height);
      for (int residue = 0; residue < std::min(win.stride_w, g.in.width); ++residue) {
        const DepthwiseAxis columns =
            backward_axis(residue, g.out.width, win.kernel_w, win.stride_w, win.dilation_w, win.pad_left, g.in.width);
        depthwise_row<T>(run, rows, i / win.stride_h, columns, g.out.channels, g.out.width, win.kernel_w,
                         dy + sample * g.out.size(), w, nullptr, {}, map, g.in.width, g.out.channels);
      }
    }
    if (times > 1) sum_repeated(static_cast<std::int64_t>(g.in.height) * g.in.width, g.in.channels, times, map, to);
  });
}

// A task is a vector of channels in a share of the batch. Shares depend on the shape alone, and their sums are added in
// order. Sums of a sample are added up apart, so that a large batch does not round small terms away.
template <class T>
void depthwise_backward_weights(const Geometry& g, int batch, const T* x, const T* dy, T* dw, ThreadPool& pool,
                                T* scratch) {
  const Window& win = g.window;
  const int filters = g.out.channels, times = filters / g.in.channels, positions = win.kernel_h * win.kernel_w;
  const KernelPath path = path_for<T>(filters, Rest::cheap);
  const auto run = DepthwiseProducts<T>::table::of(path);
  const int lanes = bytes_of(path) / static_cast<int>(sizeof(T)), vectors = (filters + lanes - 1) / lanes;
  const int shares = depthwise_shares(g, batch), share = (batch + shares - 1) / shares;
  const std::int64_t weights = static_cast<std::int64_t>(positions) * filters;
  const int width = times > 1 ? lanes : filters;  // of a position of the map: repeated for these filters alone, or as it is
  const DepthwiseAxis rows =
      forward_axis(g.out.height, win.kernel_h, win.stride_h, win.dilation_h, win.pad_top, g.in.height);
  const DepthwiseAxis columns =
      forward_axis(g.out.width, win.kernel_w, win.stride_w, win.dilation_w, win.pad_left, g.in.width);
  T* totals = scratch;
  T* mine = totals + shares * weights;  // of a worker: the sums of a sample, and its repeated map
  const std::int64_t each = depthwise_sums<T>(g) + depthwise_repeated(g);
  pool.parallel_for(shares * vectors, [=, &rows, &columns](int task, int worker) {
    const int part = task / vectors, at = task % vectors * lanes;
    const int c = std::min(at, filters - lanes), skip = at - c;  // the last vector repeats channels of the one before it
    T* total = totals + part * weights;
    T* sums = mine + worker * each;
    for (int k = 0; k < positions; ++k)
      std::fill_n(total + static_cast<std::int64_t>(k) * filters + at, lanes - skip, T{0});
    for (int n = part * share; n < std::min((part + 1) * share, batch); ++n) {
      const T* map = x + n * g.in.size() + (times > 1 ? 0 : c);
      const T* gradient = dy + n * g.out.size();
      if (times > 1) {
        T* repeated = sums + depthwise_sums<T>(g);
        repeat_channels(static_cast<std::int64_t>(g.in.height) * g.in.width, g.in.channels, times, c, lanes, map, repeated);
        map = repeated;
      }
      // The sums of a tap are `filters` apart, as the weights are, so that taps need no second list.
      for (int k = 0; k < positions; ++k) std::fill_n(sums + static_cast<std::int64_t>(k) * filters, lanes, T{0});
      for (int i = 0; i < g.out.height; ++i)
        for_segments(rows, i, columns, width, g.in.width, filters, win.kernel_w,
                     [&](int t, int many, const DepthwiseTap* taps, int count) {
                       run(map, static_cast<std::int64_t>(win.stride_w) * width,
                           gradient + (static_cast<std::int64_t>(i) * g.out.width + t) * filters + c, filters, many, taps,
                           count, sums);
                     });
      for (int k = 0; k < positions; ++k) {
        const T* from = sums + static_cast<std::int64_t>(k) * filters + skip;
        T* to = total + static_cast<std::int64_t>(k) * filters + at;
        for (int l = 0; l < lanes - skip; ++l) to[l] += from[l];
      }
    }
  });
  for_chunks(weights, pool, [=](std::int64_t first, std::int64_t count) {
    std::copy_n(totals + first, count, dw + first);
    for (int part = 1; part < shares; ++part)
      for (std::int64_t i = first; i < first + count; ++i) dw[i] += totals[part * weights + i];
  });
}

}  // namespace strata::inline STRATA_ABI::cpu::detail
