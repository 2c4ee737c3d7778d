// SPDX-License-Identifier: BSL-1.0
// The gradient of a convolution's weights by Winograd: the way of conv_winograd.hpp from weights to outputs, transposed. At
// each point the sums of a tile's inputs and the sums of its outputs' gradients are multiplied and added over the tiles;
// the results become gradients of the weights as weights become sums of weights.
//
// x (N,H,W,C), dy (N,H',W',F), dw (KH,KW,C,F); one group.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <strata/backend/cpu/conv_winograd.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/backend/cpu/tiles.hpp>
#include <strata/backend/cpu/winograd_plan.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu::detail {

// The memory of the gradient: sums over tiles at each point, then both factors of some tiles at a point of the rows, in
// panels as wide as a tile of registers.
template <class T>
class WinogradGradient {
 public:
  WinogradGradient(const Geometry& g, const WinogradPlan& plan, int width, int tiles, T* scratch)
      : plan_(plan),
        width_(width),
        tiles_(tiles),
        channel_panels_((g.in.channels + width - 1) / width),
        filter_panels_((g.out.channels + width - 1) / width),
        filters_(g.out.channels) {
    T* next = at_cache_line(scratch);
    for (int a = 0; a < plan.rows.points(); ++a)
      for (int b = 0; b < plan.columns.points(); ++b) {
        sums_[index(a)][index(b)] = next;
        next += static_cast<std::int64_t>(plan.depth(a, b)) * filters_;
      }
    next = at_cache_line(next);
    const std::int64_t panel = static_cast<std::int64_t>(width) * tiles;
    for (int b = 0; b < plan.columns.points(); ++b) {
      left_[index(b)] = next;
      next += plan.rows.phases() * plan.columns.phases_at(b) * channel_panels_ * panel;
    }
    for (int b = 0; b < plan.columns.points(); ++b) right_[index(b)] = next, next += filter_panels_ * panel;
    end_ = next;
  }

  [[nodiscard]] T* sums(int a, int b) const { return sums_[index(a)][index(b)]; }
  // The places of a tile.
  [[nodiscard]] std::array<T*, winograd_points> left(int tile) const { return places(left_, tile); }
  [[nodiscard]] std::array<T*, winograd_points> right(int tile) const { return places(right_, tile); }
  [[nodiscard]] WinogradRows rows() const {
    const std::int64_t panel = static_cast<std::int64_t>(width_) * tiles_;
    return {width_, panel, channel_panels_ * panel};
  }
  // As many as left panels at all points of the columns, if each of these had all phases.
  [[nodiscard]] int tasks() const {
    return plan_.columns.points() * plan_.rows.phases() * plan_.columns.phases() * channel_panels_;
  }
  [[nodiscard]] T* end() const { return end_; }

  // Adds the products of a panel of left factors and all right ones to the sums at point a of the rows, or begins them.
  void multiply(const TileSet<T, ListTile>& set, int a, int task, int count, bool add, T* edge) const {
    const int b = task % plan_.columns.points(), at = task / plan_.columns.points();
    const int phase = at / channel_panels_, panel = at % channel_panels_;
    if (phase >= plan_.rows.phases_at(a) * plan_.columns.phases_at(b)) return;
    const std::int64_t size = static_cast<std::int64_t>(width_) * tiles_;
    const T* left = left_[index(b)] + at * size;
    const int first = panel * width_, channels = std::min(width_, plan_.channels - first);
    T* to = sums(a, b) + (static_cast<std::int64_t>(phase) * plan_.channels + first) * filters_;
    std::array<Pair, winograd_depth> list;
    for (int k = 0; k < winograd_depth; ++k) list[index(k)] = {k, k};
    for (int from = 0; from < count; from += winograd_depth) {
      const int depth = std::min(winograd_depth, count - from);
      const bool more = add || from > 0;
      const T* rows = left + static_cast<std::int64_t>(from) * width_;
      for (int p = 0; p < filter_panels_; ++p) {
        const int column = p * width_, wanted = std::min(width_, filters_ - column);
        const T* right = right_[index(b)] + p * size + static_cast<std::int64_t>(from) * width_;
        for (int c = 0, height; c < channels; c += height) {
          const int fit = set.fit(channels - c);
          height = set.rows(fit);
          T* out = to + static_cast<std::int64_t>(c) * filters_ + column;
          if (wanted == width_) {
            set.run[fit][1](rows + c, width_, right, list.data(), depth, out, filters_, more);
            continue;
          }
          for (int r = 0; more && r < height; ++r) std::copy_n(out + r * filters_, wanted, edge + r * width_);
          set.run[fit][1](rows + c, width_, right, list.data(), depth, edge, width_, more);
          for (int r = 0; r < height; ++r) std::copy_n(edge + r * width_, wanted, out + r * filters_);
        }
      }
    }
  }

 private:
  static constexpr std::size_t index(int i) { return static_cast<std::size_t>(i); }
  [[nodiscard]] std::array<T*, winograd_points> places(std::array<T*, winograd_points> of, int tile) const {
    for (int b = 0; b < plan_.columns.points(); ++b) of[index(b)] += static_cast<std::int64_t>(tile) * width_;
    return of;
  }

  const WinogradPlan& plan_;
  int width_, tiles_, channel_panels_, filter_panels_, filters_;
  std::array<std::array<T*, winograd_points>, winograd_points> sums_{};
  std::array<T*, winograd_points> left_{}, right_{};
  T* end_;
};

template <class T>
void winograd_backward_weights(const Geometry& g, int batch, const T* x, const T* dy, T* dw, ThreadPool& pool, T* scratch) {
  const KernelPath path = path_now();
  const TileSet<T, ListTile> set(path);
  const WinogradPlan plan(g);
  const Winograd<T> winograd(g, plan, path);
  const int at_once = winograd_tiles_at_once(g, batch), channels = g.in.channels;
  const WinogradGradient<T> memory(g, plan, set.width, at_once, scratch);
  const auto own = [&](int worker) { return memory.end() + worker * winograd_weights_task_scratch<T>(g); };

  const std::int64_t zero_count = winograd_zeros(plan, std::max(channels, g.out.channels));
  const std::int64_t all = static_cast<std::int64_t>(batch) * plan.tiles;
  for (std::int64_t first = 0; first < all; first += at_once) {
    const int count = static_cast<int>(std::min<std::int64_t>(at_once, all - first));
    for (int a = 0; a < plan.rows.points(); ++a) {
      constexpr int tiles_of_task = 16;
      pool.parallel_for((count + tiles_of_task - 1) / tiles_of_task, [&](int task, int worker) {
        T* zeros = own(worker);
        T* partial = zeros + zero_count;
        std::fill_n(zeros, zero_count, T{0});
        for (int t = task * tiles_of_task; t < std::min((task + 1) * tiles_of_task, count); ++t) {
          const WinogradTile tile = winograd.tile(first + t);
          winograd.inputs(a, tile, x, zeros, partial, memory.left(t), memory.rows());
          winograd.gradients(a, tile, dy, zeros, partial, memory.right(t), memory.rows());
        }
      });
      pool.parallel_for(memory.tasks(),
                        [&](int task, int worker) { memory.multiply(set, a, task, count, first > 0, own(worker)); });
    }
  }
  const int channels_of_task = winograd_channels_at_once(g);
  pool.parallel_for((channels + channels_of_task - 1) / channels_of_task, [&](int task, int worker) {
    const int c = task * channels_of_task;
    winograd.weight_gradients(
        c, std::min(channels_of_task, channels - c), [&](int a, int b) -> const T* { return memory.sums(a, b); },
        own(worker), dw);
  });
}

}  // namespace strata::inline STRATA_ABI::cpu::detail
