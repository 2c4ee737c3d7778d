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
#include <strata/backend/cpu/winograd_sums.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu::detail {

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
    T* partial = zeros + winograd_zeros(plan, g.in.channels);
    T* inputs = partial + winograd_points * g.in.channels;
    T* products = inputs + tiles_at_once * plan.most_depth();
    T* sums = products + points_w * apart;
    T* kept = sums + points_h * plan.columns.outputs * apart;
    std::fill_n(zeros, winograd_zeros(plan, g.in.channels), T{0});
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
