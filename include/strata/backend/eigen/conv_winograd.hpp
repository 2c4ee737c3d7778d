// SPDX-License-Identifier: BSL-1.0
// Convolutions in fewer multiplications: two neighbouring outputs of three taps cost four products instead of six, of two
// taps three instead of four, and outputs in squares of two by two save on both axes (Winograd 1980; Lavin, Gray, "Fast
// Algorithms for Convolutional Neural Networks", 2015). Where the stride is s, the taps p, p + s, p + 2s, ... are a small
// kernel of their own over every s-th input, a phase; products at the same point are summed over phases and channels before
// they become outputs. So a kernel of 5 with stride 2 takes 49 products for 4 outputs, not 100. Sums are of terms that
// cancel each other, at points 0, 1 and -1 alone: as accurate as the direct way, but an output that reads an infinity may
// be NaN.
//
// x (N,H,W,C), w (KH,KW,C,F), y (N,H',W',F); one group.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include <strata/backend/eigen/conv_direct.hpp>
#include <strata/backend/eigen/tiles.hpp>
#include <strata/core/window.hpp>

namespace strata::eigen::detail {

// Points of one axis at which products are taken. Of the outputs, y0 = m0 + m1 + m2 and y1 = m1 - m2 - m3.
inline constexpr int winograd_points = 4;

// The left factor of a product: input `first` of a phase and, times a sign, input `second`. Output y of the pair reads the
// inputs y, y + 1, ... of the phase. A sign of 0: `first` alone.
struct WinogradTerm {
  int first, second, sign;
};
constexpr bool has_point(int taps, int point) { return taps == 3 || point == 0 || point == 3 || (taps == 2 && point == 1); }
constexpr WinogradTerm winograd_term(int taps, int point) {
  constexpr WinogradTerm three[] = {{0, 2, -1}, {1, 2, 1}, {2, 1, -1}, {1, 3, -1}};
  constexpr WinogradTerm two[] = {{0, 1, -1}, {1, 1, 0}, {}, {1, 2, -1}};
  constexpr WinogradTerm one[] = {{0, 0, 0}, {}, {}, {1, 1, 0}};
  return taps == 3 ? three[point] : taps == 2 ? two[point] : one[point];
}
// The right one: the weight of each tap times this.
constexpr float winograd_factor(int taps, int point, int tap) {
  constexpr float three[4][3] = {{1, 0, 0}, {0.5F, 0.5F, 0.5F}, {0.5F, -0.5F, 0.5F}, {0, 0, 1}};
  constexpr float two[4][2] = {{1, 0}, {1, 1}, {}, {0, 1}};
  constexpr float one[4] = {1, 0, 0, -1};
  return taps == 3 ? three[point][tap] : taps == 2 ? two[point][tap] : one[point];
}

// Phases of one axis.
struct WinogradAxis {
  int kernel, stride;
  [[nodiscard]] constexpr int phases() const { return std::min(kernel, stride); }
  [[nodiscard]] constexpr int taps(int phase) const { return (kernel - phase + stride - 1) / stride; }
  // Phases that have a product at this point.
  [[nodiscard]] constexpr int at(int point) const {
    int count = 0;
    for (int p = 0; p < phases(); ++p) count += has_point(taps(p), point);
    return count;
  }
  // For two outputs.
  [[nodiscard]] constexpr int products() const { return kernel + phases(); }
};

struct WinogradPlan {
  WinogradAxis rows, columns;
  int channels, tiles_h, tiles_w;

  explicit constexpr WinogradPlan(const Geometry& g)
      : rows{g.window.kernel_h, g.window.stride_h},
        columns{g.window.kernel_w, g.window.stride_w},
        channels(g.in.channels),
        tiles_h((g.out.height + 1) / 2),
        tiles_w((g.out.width + 1) / 2) {}

  [[nodiscard]] constexpr int tiles() const { return tiles_h * tiles_w; }
  // Products that are summed at a point of both axes.
  [[nodiscard]] constexpr int depth(int row_point, int column_point) const {
    return rows.at(row_point) * columns.at(column_point) * channels;
  }
  [[nodiscard]] constexpr int most_depth() const { return depth(0, 0); }  // each phase has point 0
  // Of a tile, for each channel and filter.
  [[nodiscard]] constexpr std::int64_t products() const {
    return static_cast<std::int64_t>(rows.products()) * columns.products();
  }
};

// At most three taps a phase.
constexpr bool winograd_applies(const Geometry& g) {
  const Window& w = g.window;
  return g.groups == 1 && w.dilation_h == 1 && w.dilation_w == 1 && w.kernel_h <= 3 * w.stride_h &&
         w.kernel_w <= 3 * w.stride_w;
}

// Whether it is worth it: the sums of inputs, of weights and of products take their time too, so three eighths of the
// multiplications must be saved, padding left out, and each number made must serve many. Measured.
constexpr bool winograd_pays(const Geometry& g) {
  if (!winograd_applies(g)) return false;
  const std::int64_t channels = g.in.channels, filters = g.out.channels;
  if (channels * filters < 32 * (channels + filters)) return false;
  // Taps on real elements, over all outputs of an axis.
  const auto taps = [](int outputs, int stride, int kernel, int before, int size) {
    std::int64_t sum = 0;
    for (int i = 0; i < outputs; ++i) {
      const Taps t = taps_on(i, stride, 1, kernel, before, size);
      sum += t.end - t.first;
    }
    return sum;
  };
  const Window& w = g.window;
  const WinogradPlan plan(g);
  return 8 * plan.tiles() * plan.products() <= 5 * taps(g.out.height, w.stride_h, w.kernel_h, w.pad_top, g.in.height) *
                                                   taps(g.out.width, w.stride_w, w.kernel_w, w.pad_left, g.in.width);
}

// Left factors of one tile and pair of phases, channel by channel: (at[0] + column * at[1]) + row * (at[2] + column *
// at[3]).
template <class T>
struct WinogradInputs {
  const T* at[4];
  T row, column;
};
template <class T>
struct WinogradInputKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const WinogradInputs<T>& from, int channels, T* to) {
    constexpr int lanes = lanes_of<T, Bytes>;
    const T *a = from.at[0], *b = from.at[1], *c = from.at[2], *d = from.at[3];
    const T row = from.row, column = from.column;
    int i = 0;
    for (; i + lanes <= channels; i += lanes) {
      vector<T, Bytes> va, vb, vc, vd;
      load(va, a + i), load(vb, b + i), load(vc, c + i), load(vd, d + i);
      store(to + i, (va + column * vb) + row * (vc + column * vd));
    }
    for (; i < channels; ++i) to[i] = (a[i] + column * b[i]) + row * (c[i] + column * d[i]);
  }
  using table = versions<WinogradInputKernel, const WinogradInputs<T>&, int, T*>;
};

// Outputs of one tile from the sums at all points, `stride` apart: y[0] y[1] above y[2] y[3]. bias may be null.
template <class T>
struct WinogradOutputKernel {
  template <class V>
  STRATA_INLINE static void combine(const T* sums, std::int64_t stride, const V& bias, bool relu, V (&y)[4]) {
    V upper[winograd_points], lower[winograd_points];
    STRATA_UNROLL for (int b = 0; b < winograd_points; ++b) {
      V m[winograd_points];
      STRATA_UNROLL for (int a = 0; a < winograd_points; ++a) load(m[a], sums + (a * winograd_points + b) * stride);
      upper[b] = m[0] + m[1] + m[2];
      lower[b] = m[1] - m[2] - m[3];
    }
    y[0] = upper[0] + upper[1] + upper[2] + bias;
    y[1] = upper[1] - upper[2] - upper[3] + bias;
    y[2] = lower[0] + lower[1] + lower[2] + bias;
    y[3] = lower[1] - lower[2] - lower[3] + bias;
    if (relu) {
      const V zero{};
      STRATA_UNROLL for (int i = 0; i < 4; ++i) y[i] = y[i] < zero ? zero : y[i];  // keeps NaN
    }
  }
  // Where y[i] is null, that output is not there.
  template <int Bytes>
  STRATA_INLINE static void run(const T* sums, std::int64_t stride, int filters, const T* bias, bool relu, T* const* y) {
    constexpr int lanes = lanes_of<T, Bytes>;
    int f = 0;
    for (; f + lanes <= filters; f += lanes) {
      vector<T, Bytes> b{}, out[4];
      if (bias) load(b, bias + f);
      combine(sums + f, stride, b, relu, out);
      STRATA_UNROLL for (int i = 0; i < 4; ++i) {
        if (y[i]) store(y[i] + f, out[i]);
      }
    }
    for (; f < filters; ++f) {
      T out[4];
      combine(sums + f, stride, bias ? bias[f] : T{0}, relu, out);
      for (int i = 0; i < 4; ++i)
        if (y[i]) y[i][f] = out[i];
    }
  }
  using table = versions<WinogradOutputKernel, const T*, std::int64_t, int, const T*, bool, T* const*>;
};

// Tiles a task takes: their left factors at a point stay in the second-level cache, and a panel of weights serves often.
inline constexpr int tiles_at_once = 48;

// Numbers of a task: left factors at one point, sums at all, what RowSums keeps, zeros for what lies outside.
template <class T>
constexpr std::int64_t winograd_task_scratch(const Geometry& g) {
  const std::int64_t sums = static_cast<std::int64_t>(winograd_points) * winograd_points * g.out.channels;
  return tiles_at_once * (WinogradPlan(g).most_depth() + sums) + kept_size<T> + g.in.channels;
}

template <class T>
constexpr std::int64_t winograd_scratch(const Geometry& g, int threads) {
  const WinogradPlan plan(g);
  std::int64_t weights = 0;
  for (int a = 0; a < winograd_points; ++a)
    for (int b = 0; b < winograd_points; ++b) weights += Panels::most<T>(g.out.channels, plan.depth(a, b));
  return weights + threads * winograd_task_scratch<T>(g) + line;
}

// The right factors at points (a, b), one panel.
template <class T>
void winograd_weights(const Geometry& g, const WinogradPlan& plan, int a, int b, const T* w, int columns, int wide, T* to) {
  using V = vector<T, 16>;
  constexpr int lanes = lanes_of<T, 16>;
  for (int ph = 0; ph < plan.rows.phases(); ++ph)
    for (int pw = 0; pw < plan.columns.phases(); ++pw) {
      const int taps_h = plan.rows.taps(ph), taps_w = plan.columns.taps(pw);
      if (!has_point(taps_h, a) || !has_point(taps_w, b)) continue;
      T factors[9];
      const T* from[9];
      int count = 0;
      for (int i = 0; i < taps_h; ++i)
        for (int j = 0; j < taps_w; ++j) {
          const float factor = winograd_factor(taps_h, a, i) * winograd_factor(taps_w, b, j);
          if (factor == 0) continue;
          const int kh = ph + i * plan.rows.stride, kw = pw + j * plan.columns.stride;
          factors[count] = static_cast<T>(factor);
          from[count++] = w + (static_cast<std::int64_t>(kh) * g.window.kernel_w + kw) * g.in.channels * g.out.channels;
        }
      for (int c = 0; c < plan.channels; ++c, to += wide) {
        const std::int64_t row = static_cast<std::int64_t>(c) * g.out.channels;
        int f = 0;
        for (; f + lanes <= columns; f += lanes) {
          V sum{}, v;
          for (int k = 0; k < count; ++k) load(v, from[k] + row + f), sum += factors[k] * v;
          store(to + f, sum);
        }
        for (; f < columns; ++f) {
          T sum{};
          for (int k = 0; k < count; ++k) sum += factors[k] * from[k][row + f];
          to[f] = sum;
        }
        for (; f < wide; ++f) to[f] = T{0};
      }
    }
}

// A tile's upper left output; those to its right and below may lie outside.
struct WinogradTile {
  std::int64_t sample;
  int row, column;
};

// Left factors of one tile at points (a, b), phase after phase; returns their end. zeros: as many as channels.
template <class T, class Take>
T* winograd_inputs(const Geometry& g, const WinogradPlan& plan, int a, int b, const WinogradTile& tile, const T* x,
                   const T* zeros, Take take, T* to) {
  const T* image = x + tile.sample * g.in.size();
  const int top = tile.row * plan.rows.stride - g.window.pad_top,
            left = tile.column * plan.columns.stride - g.window.pad_left;
  const auto input = [&](int row, int column) {
    const bool inside = row >= 0 && row < g.in.height && column >= 0 && column < g.in.width;
    return inside ? image + (static_cast<std::int64_t>(row) * g.in.width + column) * g.in.channels : zeros;
  };
  for (int ph = 0; ph < plan.rows.phases(); ++ph) {
    const int taps_h = plan.rows.taps(ph);
    if (!has_point(taps_h, a)) continue;
    const WinogradTerm th = winograd_term(taps_h, a);
    const int row = top + ph + th.first * plan.rows.stride, row2 = top + ph + th.second * plan.rows.stride;
    for (int pw = 0; pw < plan.columns.phases(); ++pw) {
      const int taps_w = plan.columns.taps(pw);
      if (!has_point(taps_w, b)) continue;
      const WinogradTerm tw = winograd_term(taps_w, b);
      const int column = left + pw + tw.first * plan.columns.stride, column2 = left + pw + tw.second * plan.columns.stride;
      take({{input(row, column), input(row, column2), input(row2, column), input(row2, column2)},
            static_cast<T>(th.sign),
            static_cast<T>(tw.sign)},
           g.in.channels, to);
      to += g.in.channels;
    }
  }
  return to;
}

// The outputs of one tile, from its sums at all points.
template <class T, class Give>
void winograd_outputs(const Geometry& g, const WinogradTile& tile, const T* sums, std::int64_t stride, const T* bias,
                      bool relu, Give give, T* y) {
  const std::int64_t filters = g.out.channels, row = g.out.width * filters;
  T* corner = y + tile.sample * g.out.size() + tile.row * row + tile.column * filters;
  T* below = tile.row + 1 < g.out.height ? corner + row : nullptr;
  const bool right = tile.column + 1 < g.out.width;
  T* const to[4] = {corner, right ? corner + filters : nullptr, below, right && below ? below + filters : nullptr};
  give(sums, stride, g.out.channels, bias, relu, to);
}

template <class T>
void winograd_forward(const Geometry& g, int batch, const T* x, const T* w, const T* bias, bool relu, T* y,
                      ThreadPool& pool, T* scratch) {
  constexpr int points = winograd_points;
  const KernelPath path = path_now();
  const TileSet<T, RowsTile> tiles(path);
  const auto take = WinogradInputKernel<T>::table::of(path);
  const auto give = WinogradOutputKernel<T>::table::of(path);
  const WinogradPlan plan(g);
  const int filters = g.out.channels;
  T* at = aligned(scratch);
  std::array<Panels, points * points> panels{};
  std::array<T*, points * points> packed{};
  for (int s = 0; s < points * points; ++s) {
    panels[static_cast<std::size_t>(s)] = {filters, tiles.width, plan.depth(s / points, s % points)};
    packed[static_cast<std::size_t>(s)] = at;
    at += panels[static_cast<std::size_t>(s)].count() * panels[static_cast<std::size_t>(s)].size();
  }
  const int count_of_panels = panels[0].count();
  pool.parallel_for(points * points * count_of_panels, [&](int task, int) {
    const auto s = static_cast<std::size_t>(task / count_of_panels);
    const int p = task % count_of_panels, from = p * tiles.width, columns = std::min(tiles.width, filters - from);
    winograd_weights(g, plan, task / count_of_panels / points, task / count_of_panels % points, w + from, columns,
                     columns > tiles.lanes ? tiles.width : tiles.lanes, packed[s] + p * panels[s].size());
  });

  const std::int64_t all = static_cast<std::int64_t>(batch) * plan.tiles();
  const auto blocks = static_cast<int>((all + tiles_at_once - 1) / tiles_at_once);
  pool.parallel_for(blocks, [&](int task, int worker) {
    const std::int64_t first = static_cast<std::int64_t>(task) * tiles_at_once;
    const int count = static_cast<int>(std::min<std::int64_t>(tiles_at_once, all - first));
    T* zeros = at + worker * winograd_task_scratch<T>(g);
    T* inputs = zeros + g.in.channels;
    T* sums = inputs + static_cast<std::int64_t>(tiles_at_once) * plan.most_depth();
    T* kept = sums + static_cast<std::int64_t>(points) * points * tiles_at_once * filters;
    std::fill_n(zeros, g.in.channels, T{0});

    std::array<WinogradTile, tiles_at_once> own;
    for (int t = 0; t < count; ++t) {
      const int within = static_cast<int>((first + t) % plan.tiles());
      own[static_cast<std::size_t>(t)] = {(first + t) / plan.tiles(), within / plan.tiles_w * 2, within % plan.tiles_w * 2};
    }
    const std::int64_t stride = static_cast<std::int64_t>(count) * filters;  // between the sums at two points
    for (int s = 0; s < points * points; ++s) {
      const auto i = static_cast<std::size_t>(s);
      T* to = inputs;
      for (int t = 0; t < count; ++t)
        to = winograd_inputs(g, plan, s / points, s % points, own[static_cast<std::size_t>(t)], x, zeros, take, to);
      for (int part = 0; part * panels_at_once < panels[i].count(); ++part) {
        RowSums<T> product(tiles, panels[i], packed[i], part, kept);
        product.begin(inputs, panels[i].rows, count, sums + s * stride, filters, false, false);
        product.add(0, 0, panels[i].rows);  // where no phase has the point, the sums are zero
        product.end();
      }
    }
    for (int t = 0; t < count; ++t)
      winograd_outputs(g, own[static_cast<std::size_t>(t)], sums + static_cast<std::int64_t>(t) * filters, stride, bias,
                       relu, give, y);
  });
}

// Where the stride is 1, the input's gradient is a convolution of dy, by w turned round and with channels for filters.
constexpr Geometry turned(const Geometry& g) {
  Geometry t = g;
  t.in = g.out, t.out = g.in;
  Window& w = t.window;
  w.pad_top = w.kernel_h - 1 - w.pad_top, w.pad_bottom = w.kernel_h - 1 - w.pad_bottom;
  w.pad_left = w.kernel_w - 1 - w.pad_left, w.pad_right = w.kernel_w - 1 - w.pad_right;
  return t;
}
constexpr bool turns(const Geometry& g) { return g.window.stride_h == 1 && g.window.stride_w == 1; }
constexpr bool winograd_input_pays(const Geometry& g) { return turns(g) && winograd_pays(turned(g)); }

template <class T>
constexpr std::int64_t winograd_input_scratch(const Geometry& g, int threads) {
  return g.taps() * g.out.channels + winograd_scratch<T>(turned(g), threads);
}

template <class T>
void winograd_backward_input(const Geometry& g, int batch, const T* dy, const T* w, T* dx, ThreadPool& pool, T* scratch) {
  const int positions = g.window.kernel_h * g.window.kernel_w, channels = g.in.channels, filters = g.out.channels;
  const std::int64_t each = static_cast<std::int64_t>(channels) * filters;
  pool.parallel_for(positions, [&](int tap, int) {
    pack_panel(false, channels, filters, w + tap * each, filters, channels, scratch + (positions - 1 - tap) * each);
  });
  const T* turned_w = scratch;
  const T* no_bias = nullptr;
  winograd_forward(turned(g), batch, dy, turned_w, no_bias, false, dx, pool, scratch + positions * each);
}

}  // namespace strata::eigen::detail
