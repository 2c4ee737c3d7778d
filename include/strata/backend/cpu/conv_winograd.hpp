// SPDX-License-Identifier: BSL-1.0
// Convolutions in fewer multiplications (Toom, Cook; Winograd 1980; Lavin, Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2015): m neighbouring outputs of r taps need m + r - 1 products of a sum of inputs and a sum of weights, not
// m r, and tiles of m by m outputs save on both axes. With a stride s the taps p, p + s, p + 2s, ... are a small kernel of
// their own over every s-th input, a phase; products at the same point are summed over phases and channels before they
// become outputs. So a kernel of 5 with stride 2 takes 121 products for 16 outputs, not 400.
//
// The terms of the sums cancel partly. Root mean square errors are 0.8e-7 of the largest output with tiles of two by two
// and 2e-7 to 4e-7 with larger ones. One infinity may turn all outputs of its tile into NaN.
//
// x (N,H,W,C), w (KH,KW,C,F), y (N,H',W',F); one group.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include <strata/backend/cpu/conv_direct.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/backend/cpu/tiles.hpp>
#include <strata/backend/cpu/winograd_plan.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu::detail {

// Sums of winograd_points rows: to[i] = bias + sum of factors[i][k] * from[k], cut to the limits. If to[i] is null, that
// sum is left out. Unused rows have a factor of zero, but are read.
template <class T>
struct WinogradSum {
  std::array<const T*, winograd_points> from;
  std::array<T*, winograd_points> to;
  const typename WinogradFactors<T>::Row* factors;
  int count;
  const T* bias = nullptr;
  Limits limits = {};
};
// For `blocks` blocks of rows of n elements. From block to block `from` and `to` advance by from_step and to_step.
template <class T>
struct WinogradSumKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const WinogradSum<T>& sum, int n, int blocks, std::int64_t from_step,
                                std::int64_t to_step) {
    using V = vector<T, Bytes>;
    constexpr int lanes = lanes_of<T, Bytes>, step = 2 * lanes;
    // Local copies stay in registers; the compiler must assume that a store changes the members.
    const auto* factors = sum.factors;
    const auto count = static_cast<std::size_t>(sum.count);
    const T* bias = sum.bias;
    const Limits limits = sum.limits;
    const bool limited = limits.any();
    for (std::int64_t block = 0; block < blocks; ++block) {
      const std::int64_t from = block * from_step, to = block * to_step;
      for (int i = 0; n >= step && i < n; i += step) {
        const int at = std::min(i, n - step);
        V rows[winograd_points][2], start[2]{};
        STRATA_UNROLL for (std::size_t k = 0; k < winograd_points; ++k) {
          load(rows[k][0], sum.from[k] + from + at), load(rows[k][1], sum.from[k] + from + at + lanes);
        }
        if (bias) load(start[0], bias + at), load(start[1], bias + at + lanes);
        for (std::size_t p = 0; p < count; ++p) {
          if (!sum.to[p]) continue;
          V a = start[0], b = start[1];
          STRATA_UNROLL for (std::size_t k = 0; k < winograd_points; ++k) {
            const T factor = factors[p][k];
            a += factor * rows[k][0], b += factor * rows[k][1];
          }
          if (limited)
            cut(a, static_cast<T>(limits.low), static_cast<T>(limits.high)),
                cut(b, static_cast<T>(limits.low), static_cast<T>(limits.high));
          store(sum.to[p] + to + at, a), store(sum.to[p] + to + at + lanes, b);
        }
      }
      for (int i = 0; n < step && i < n; ++i)
        for (std::size_t p = 0; p < count; ++p) {
          if (!sum.to[p]) continue;
          T a = bias ? bias[i] : T{0};
          for (std::size_t k = 0; k < winograd_points; ++k) a += factors[p][k] * sum.from[k][from + i];
          sum.to[p][to + i] = limits.cut(a);
        }
    }
  }
  using table = versions<WinogradSumKernel, const WinogradSum<T>&, int, int, std::int64_t, std::int64_t>;
};

// A tile's upper left output.
struct WinogradTile {
  std::int64_t sample;
  int row, column;
};

// The sums before and after the products.
template <class T>
class Winograd {
 public:
  using To = std::array<T*, winograd_points>;

  Winograd(const Geometry& g, const WinogradPlan& plan, KernelPath path)
      : g_(g), plan_(plan), rows_(plan.rows), columns_(plan.columns), kernel_(WinogradSumKernel<T>::table::of(path)) {}

  [[nodiscard]] WinogradTile tile(std::int64_t i) const {
    const int within = static_cast<int>(i % plan_.tiles);
    return {i / plan_.tiles, within / plan_.tiles_w * plan_.rows.outputs, within % plan_.tiles_w * plan_.columns.outputs};
  }

  // Right factors, one panel of `wide` columns at each point, panel(a, b). w: its first column.
  template <class Panel>
  void weights(const T* w, int columns, int wide, Panel&& panel) const {
    constexpr int channels_at_once = 8;  // `partial` stays in the first-level cache
    T partial[winograd_points][winograd_taps][channels_at_once * panel_most<T>]{};
    for (int ph = 0; ph < plan_.rows.phases(); ++ph)
      for (int pw = 0; pw < plan_.columns.phases(); ++pw) {
        const int taps_h = plan_.rows.taps(ph), taps_w = std::min(plan_.columns.taps(pw), winograd_taps);
        const int points_h = plan_.rows.points(ph), points_w = plan_.columns.points(pw);
        for (int c = 0; c < plan_.channels; c += channels_at_once) {
          const int channels = std::min(channels_at_once, plan_.channels - c);
          WinogradSum<T> sum{.from = {}, .to = {}, .factors = rows_.weights(taps_h), .count = points_h};
          for (int j = 0; j < taps_w; ++j) {
            for (int i = 0; i < winograd_points; ++i) {
              const int kh = ph + (i < taps_h ? i : 0) * plan_.rows.stride, kw = pw + j * plan_.columns.stride;
              sum.from[index(i)] =
                  w + ((static_cast<std::int64_t>(kh) * g_.window.kernel_w + kw) * g_.in.channels + c) * g_.out.channels;
              sum.to[index(i)] = partial[i][j];
            }
            kernel_(sum, columns, channels, g_.out.channels, wide);
          }
          sum.factors = columns_.weights(taps_w), sum.count = points_w;
          for (int i = 0; i < points_h; ++i) {
            const int a = plan_.rows.point(ph, i);
            for (int j = 0; j < winograd_points; ++j) sum.from[index(j)] = partial[i][j < taps_w ? j : 0];
            for (int j = 0; j < points_w; ++j) {
              const int b = plan_.columns.point(pw, j);
              sum.to[index(j)] = panel(a, b) + static_cast<std::int64_t>(plan_.offset(ph, a, pw, b) + c) * wide;
            }
            run(sum, channels * wide);
          }
        }
      }
  }

  // Left factors of one tile at a point of the rows; to[b] is for point b of the columns. zeros is one row, partial
  // winograd_points rows.
  void inputs(int a, const WinogradTile& tile, const T* x, const T* zeros, T* partial, const To& to) const {
    const T* image = x + tile.sample * g_.in.size();
    const int top = tile.row * plan_.rows.stride - g_.window.pad_top,
              left = tile.column * plan_.columns.stride - g_.window.pad_left, channels = plan_.channels;
    for (int ph = 0; ph < plan_.rows.phases(); ++ph) {
      if (!plan_.rows.has(ph, a)) continue;
      const int points_h = plan_.rows.points(ph);
      const auto* row_factors = rows_.inputs(plan_.rows.taps(ph)) + std::min(a, points_h - 1);
      for (int pw = 0; pw < plan_.columns.phases(); ++pw) {
        const int points_w = plan_.columns.points(pw);
        WinogradSum<T> sum{.from = {}, .to = {}, .factors = row_factors, .count = 1};
        for (int j = 0; j < points_w; ++j) {
          const int column = left + pw + j * plan_.columns.stride;
          for (int i = 0; i < winograd_points; ++i) {
            const int row = top + ph + i * plan_.rows.stride;
            const bool inside = i < points_h && row >= 0 && row < g_.in.height && column >= 0 && column < g_.in.width;
            sum.from[index(i)] =
                inside ? image + (static_cast<std::int64_t>(row) * g_.in.width + column) * channels : zeros;
          }
          sum.to[0] = partial + static_cast<std::int64_t>(j) * channels;
          run(sum, channels);
        }
        sum.factors = columns_.inputs(plan_.columns.taps(pw)), sum.count = points_w;
        for (int j = 0; j < winograd_points; ++j)
          sum.from[index(j)] = j < points_w ? partial + static_cast<std::int64_t>(j) * channels : zeros;
        for (int j = 0; j < points_w; ++j) {
          const int b = plan_.columns.point(pw, j);
          sum.to[index(j)] = to[index(b)] + plan_.offset(ph, a, pw, b);
        }
        run(sum, channels);
      }
    }
  }

  // For one tile at a point of the rows: from products at all points of the columns to sums for each output. Rows of both
  // are `apart` elements apart.
  void fold(const T* products, T* sums, std::int64_t apart) const {
    WinogradSum<T> sum{.from = {}, .to = {}, .factors = columns_.outputs(), .count = plan_.columns.outputs};
    for (int b = 0; b < winograd_points; ++b) sum.from[index(b)] = products + (b < plan_.columns.points() ? b : 0) * apart;
    for (int j = 0; j < plan_.columns.outputs; ++j) sum.to[index(j)] = sums + j * apart;
    run(sum, g_.out.channels);
  }

  // The outputs of one tile, from its sums at all points of the rows. bias may be null.
  void outputs(const WinogradTile& tile, const T* sums, std::int64_t apart, const T* bias, Limits limits, T* y,
               int stride) const {
    T* image = y + tile.sample * g_.out.height * g_.out.width * stride;
    for (int j = 0; j < std::min(plan_.columns.outputs, g_.out.width - tile.column); ++j) {
      WinogradSum<T> sum{
          .from = {}, .to = {}, .factors = rows_.outputs(), .count = plan_.rows.outputs, .bias = bias, .limits = limits};
      for (int a = 0; a < winograd_points; ++a)
        sum.from[index(a)] = sums + ((a < plan_.rows.points() ? a : 0) * plan_.columns.outputs + j) * apart;
      for (int i = 0; i < plan_.rows.outputs; ++i) {
        const std::int64_t place = (tile.row + i) * static_cast<std::int64_t>(g_.out.width) + tile.column + j;
        sum.to[index(i)] = tile.row + i < g_.out.height ? image + place * stride : nullptr;
      }
      run(sum, g_.out.channels);
    }
  }

 private:
  static constexpr std::size_t index(int i) { return static_cast<std::size_t>(i); }
  void run(const WinogradSum<T>& sum, int n) const { kernel_(sum, n, 1, 0, 0); }

  const Geometry& g_;
  const WinogradPlan& plan_;
  WinogradFactors<T> rows_, columns_;
  typename WinogradSumKernel<T>::table::function kernel_;
};

// The sums of weights at each point of both axes: panels of filters. T is const where they are read.
template <class T>
class WinogradFilters {
 public:
  struct Point {
    Panels panels;
    T* packed = nullptr;
  };
  WinogradFilters(const WinogradPlan& plan, int filters, int width, T* begin) : end_(at_cache_line(begin)) {
    for (int a = 0; a < plan.rows.points(); ++a)
      for (int b = 0; b < plan.columns.points(); ++b) {
        Point& point = points_[static_cast<std::size_t>(a)][static_cast<std::size_t>(b)];
        point = {{filters, width, plan.depth(a, b)}, end_};
        end_ += point.panels.count() * point.panels.size();
      }
  }
  [[nodiscard]] const Point& at(int a, int b) const {
    return points_[static_cast<std::size_t>(a)][static_cast<std::size_t>(b)];
  }
  [[nodiscard]] int panels() const { return at(0, 0).panels.count(); }
  [[nodiscard]] T* end() const { return end_; }

 private:
  std::array<std::array<Point, winograd_points>, winograd_points> points_{};
  T* end_;
};

// scale (F) multiplies the filters; it may be null.
template <class T>
void winograd_pack(const Geometry& g, const T* w, const T* scale, T* packed, ThreadPool& pool) {
  const KernelPath path = path_now();
  const TileSet<T, RowsTile> tiles(path);
  const WinogradPlan plan(g);
  const Winograd<T> winograd(g, plan, path);
  const WinogradFilters<T> filters(plan, g.out.channels, tiles.width, packed);
  pool.parallel_for(filters.panels(), [&](int panel, int) {
    const int from = panel * tiles.width, columns = std::min(tiles.width, g.out.channels - from);
    const int wide = columns > tiles.lanes ? tiles.width : tiles.lanes;
    winograd.weights(w + from, columns, wide,
                     [&](int a, int b) { return filters.at(a, b).packed + panel * filters.at(a, b).panels.size(); });
    if (!scale) return;
    for (int a = 0; a < plan.rows.points(); ++a)
      for (int b = 0; b < plan.columns.points(); ++b) {
        T* row = filters.at(a, b).packed + panel * filters.at(a, b).panels.size();
        for (int k = 0; k < plan.depth(a, b); ++k, row += wide)
          Array<T>(row, columns) *= ConstArray<T>(scale + from, columns);
      }
  });
}

// By what winograd_pack() packed. stride: from position to position of y. finish may be null.
template <class T>
void winograd_packed_forward(const Geometry& g, int batch, const T* x, const T* packed, const T* bias, Limits limits, T* y,
                             int stride, ThreadPool& pool, T* scratch, const Finish<T>* finish = nullptr) {
  const KernelPath path = path_now();
  const TileSet<T, RowsTile> tiles(path);
  const WinogradPlan plan(g);
  const Winograd<T> winograd(g, plan, path);
  const WinogradFilters<const T> right(plan, g.out.channels, tiles.width, packed);
  const int filters = g.out.channels, points_h = plan.rows.points(), points_w = plan.columns.points();

  const std::int64_t all = static_cast<std::int64_t>(batch) * plan.tiles;
  // As many blocks for each thread.
  const std::int64_t turns = (all + tiles_at_once * pool.size() - 1) / (tiles_at_once * pool.size());
  const std::int64_t blocks = turns * pool.size(), share = (all + blocks - 1) / blocks;
  pool.parallel_for(static_cast<int>((all + share - 1) / share), [&](int task, int worker) {
    const std::int64_t first = task * share;
    const int count = static_cast<int>(std::min(share, all - first));
    const std::int64_t apart = winograd_apart(static_cast<std::int64_t>(count) * filters);
    T* zeros = scratch + worker * winograd_task_scratch<T>(g);
    T* partial = zeros + g.in.channels;
    T* inputs = partial + winograd_points * g.in.channels;
    T* products = inputs + tiles_at_once * plan.most_depth();
    T* sums = products + points_w * apart;
    T* kept = sums + points_h * plan.columns.outputs * apart;
    std::fill_n(zeros, g.in.channels, T{0});
    std::array<WinogradTile, tiles_at_once> own;
    for (int t = 0; t < count; ++t) own[static_cast<std::size_t>(t)] = winograd.tile(first + t);

    for (int a = 0; a < points_h; ++a) {
      typename Winograd<T>::To left{};
      T* next = inputs;
      for (int b = 0; b < points_w; ++b) {
        left[static_cast<std::size_t>(b)] = next;
        next += static_cast<std::int64_t>(count) * plan.depth(a, b);
      }
      auto to = left;
      for (int t = 0; t < count; ++t) {
        winograd.inputs(a, own[static_cast<std::size_t>(t)], x, zeros, partial, to);
        for (int b = 0; b < points_w; ++b) to[static_cast<std::size_t>(b)] += plan.depth(a, b);
      }
      for (int b = 0; b < points_w; ++b)
        for (int part = 0; part * panels_at_once < right.panels(); ++part) {
          const auto& point = right.at(a, b);
          RowSums<T> product(tiles, point.panels, point.packed, point.panels.part(part), kept);
          product.begin(left[static_cast<std::size_t>(b)], point.panels.rows, count, products + b * apart, filters, false);
          product.add(0, 0, point.panels.rows);
          product.end();
        }
      for (int t = 0; t < count; ++t) {
        const std::int64_t tile = static_cast<std::int64_t>(t) * filters;
        winograd.fold(products + tile, sums + a * plan.columns.outputs * apart + tile, apart);
      }
    }
    for (int t = 0; t < count; ++t) {
      const WinogradTile& tile = own[static_cast<std::size_t>(t)];
      winograd.outputs(tile, sums + static_cast<std::int64_t>(t) * filters, apart, bias, limits, y, stride);
      if (!finish) continue;
      const int columns = std::min(plan.columns.outputs, g.out.width - tile.column);
      for (int row = tile.row; row < std::min(tile.row + plan.rows.outputs, g.out.height); ++row)
        (*finish)(y, ((tile.sample * g.out.height + row) * g.out.width + tile.column) * stride, columns, stride, 0,
                  filters);
    }
  });
}

template <class T>
void winograd_forward(const Geometry& g, int batch, const T* x, const T* w, const T* bias, Limits limits, T* y,
                      ThreadPool& pool, T* scratch) {
  const T* no_scale = nullptr;
  winograd_pack(g, w, no_scale, scratch, pool);
  winograd_packed_forward<T>(g, batch, x, scratch, bias, limits, y, g.out.channels, pool, scratch + winograd_filters<T>(g));
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
  winograd_forward(turned(g), batch, dy, turned_w, no_bias, {}, dx, pool, scratch + positions * each);
}

}  // namespace strata::inline STRATA_ABI::cpu::detail
