// SPDX-License-Identifier: BSL-1.0
// Convolutions in bfloat16: patches of the input are gathered as rows of the left operand, and the weights, rounded, are
// packed as panels. x (N,H,W,C), w (KH,KW,C/groups,F) in float32, y (N,H',W',F).
#pragma once
#include <algorithm>
#include <cstdint>
#include <numeric>

#include <strata/backend/cpu/conv_patches.hpp>
#include <strata/backend/cpu_bf16/multiply.hpp>
#include <strata/backend/cpu_bf16/pack.hpp>
#include <strata/backend/cpu_bf16/row_sums.hpp>
#include <strata/backend/cpu_bf16/sizes.hpp>
#include <strata/backend/cpu_bf16/wide.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu::bf16 {

namespace detail {

// Rows of a task: fewer if there are few for each thread. The bits do not depend on it.
inline int rows_of_task(std::int64_t rows, int threads) {
  constexpr std::int64_t least = 12;
  const std::int64_t share = rows / (std::int64_t{4} * threads) / least * least;
  return static_cast<int>(std::clamp<std::int64_t>(share, least, task_rows));
}

inline void forward(const Geometry& g, int batch, const Bf16* x, const float* w, const float* bias, bool relu, Bf16* y,
                    ThreadPool& pool, float* scratch) {
  const PanelProduct product = panel_product(unit());
  const int filters = g.out.channels / g.groups, taps = static_cast<int>(g.taps()), depth = steps_of(taps);
  const int panels = (filters + panel_width - 1) / panel_width;
  Scratch shared(scratch);
  Bf16* packed = shared.halves(g.groups * panels_size(depth, filters));
  float* own = shared.floats(0);
  pool.parallel_for(g.groups * panels, [=, &g](int task, int) {
    const int group = task / panels, first = task % panels * panel_width;
    pack_rows(w + group * filters + first, g.out.channels, taps, std::min(panel_width, filters - first),
              packed + std::int64_t{task} * depth * panel_width);
  });
  const bool direct = cpu::detail::is_pointwise(g) && taps == depth;  // x has the rows already
  const std::int64_t rows = std::int64_t{batch} * g.out.height * g.out.width;
  const int each = rows_of_task(rows, pool.size());
  const auto blocks = static_cast<int>((rows + each - 1) / each);
  pool.parallel_for(g.groups * blocks, [=, &g](int task, int worker) {
    const int group = task % g.groups;
    const std::int64_t first = std::int64_t{task / g.groups} * each;
    const int count = static_cast<int>(std::min<std::int64_t>(each, rows - first));
    Scratch mine(own + worker * rows_scratch(task_rows, depth, filters));
    Bf16* patches = mine.halves(std::int64_t{task_rows} * depth);
    float *sums = mine.floats(std::int64_t{task_rows} * filters), *edge = mine.floats(task_rows * panel_width);
    if (!direct)
      for (int r = 0; r < count; ++r) {
        Bf16* row = patches + std::int64_t{r} * depth;
        cpu::detail::im2col(g, x, first + r, 1, group, 0, g.window.kernel_h * g.window.kernel_w, row);
        std::fill(row + taps, row + depth, Bf16(0));
      }
    multiply(product, count, filters, depth, direct ? x + first * depth : patches, depth,
             packed + group * panels_size(depth, filters), depth, sums, filters, false, edge);
    round_rows(count, filters, sums, filters, bias ? bias + group * filters : nullptr, relu,
               y + first * g.out.channels + group * filters, g.out.channels);
  });
}

// The positions of a kernel that reach an output from input positions with this remainder by the stride: (position + pad -
// k dilation) is a multiple of the stride. They are a fixed step apart, and descend so that the outputs ascend.
struct PhaseTaps {
  int largest, step, count = 0;
  PhaseTaps(int remainder, int kernel, int stride, int dilation, int pad)
      : largest(kernel - 1), step(stride / std::gcd(stride, dilation)) {
    while (largest >= 0 && (remainder + pad - largest * dilation) % stride != 0) --largest;
    if (largest >= 0) count = largest / step + 1;
  }
  [[nodiscard]] int operator[](int i) const { return largest - i * step; }
};

inline void backward_input(const Geometry& g, int batch, const Bf16* dy, const float* w, const float* bias, Bf16* dx,
                           ThreadPool& pool, float* scratch) {
  const PanelProduct product = panel_product(unit());
  const Window& win = g.window;
  const int channels = g.in.channels / g.groups, filters = g.out.channels / g.groups, pairs = even(filters);
  const int panels = (channels + panel_width - 1) / panel_width;
  const std::int64_t most_depth = phase_depth(g);
  for (int phase = 0; phase < phases(g); ++phase) {
    const int top = phase / win.stride_w, left = phase % win.stride_w;
    if (top >= g.in.height || left >= g.in.width) continue;
    const PhaseTaps down(top, win.kernel_h, win.stride_h, win.dilation_h, win.pad_top);
    const PhaseTaps across(left, win.kernel_w, win.stride_w, win.dilation_w, win.pad_left);
    const int taps = down.count * across.count * pairs, depth = steps_of(taps);
    Scratch shared(scratch);
    Bf16* packed = shared.halves(g.groups * panels_size(depth, channels));
    pool.parallel_for(g.groups * panels, [=, &g, &down, &across](int task, int) {
      const int group = task / panels, first = task % panels * panel_width;
      Bf16* to = packed + std::int64_t{task} * depth * panel_width;
      for (int i = 0; i < down.count; ++i)
        for (int j = 0; j < across.count; ++j, to += std::int64_t{pairs} * panel_width) {
          const std::int64_t tap = std::int64_t{down[i]} * g.window.kernel_w + across[j];
          pack_columns(w + (tap * channels + first) * g.out.channels + group * filters, g.out.channels, filters,
                       std::min(panel_width, channels - first), to);
        }
      std::fill_n(to, std::int64_t{depth - taps} * panel_width, Bf16(0));
    });
    const int height = (g.in.height - top + win.stride_h - 1) / win.stride_h;
    const int width = (g.in.width - left + win.stride_w - 1) / win.stride_w;
    const std::int64_t rows = std::int64_t{batch} * height * width;
    const int each = rows_of_task(rows, pool.size());
    const auto blocks = static_cast<int>((rows + each - 1) / each);
    float* own = shared.floats(0);
    pool.parallel_for(g.groups * blocks, [=, &g, &win, &down, &across](int task, int worker) {
      const int group = task % g.groups;
      const std::int64_t first = std::int64_t{task / g.groups} * each;
      const int count = static_cast<int>(std::min<std::int64_t>(each, rows - first));
      Scratch mine(own + worker * rows_scratch(task_rows, most_depth, channels));
      Bf16* patches = mine.halves(task_rows * most_depth);
      float *sums = mine.floats(std::int64_t{task_rows} * channels), *edge = mine.floats(task_rows * panel_width);
      const auto place = [&](int r) {  // row and column of the input, and where its sample begins
        const std::int64_t at = first + r;
        struct {
          std::int64_t sample;
          int row, column;
        } p{at / (std::int64_t{height} * width), top + static_cast<int>(at / width % height) * win.stride_h,
            left + static_cast<int>(at % width) * win.stride_w};
        return p;
      };
      for (int r = 0; r < count; ++r) {
        const auto [sample, row, column] = place(r);
        Bf16* to = patches + std::int64_t{r} * depth;
        const Bf16* map = dy + sample * g.out.size() + group * filters;
        for (int i = 0; i < down.count; ++i) {
          const int from_row = (row + win.pad_top - down[i] * win.dilation_h) / win.stride_h;
          const bool outside = row + win.pad_top < down[i] * win.dilation_h || from_row >= g.out.height;
          for (int j = 0; j < across.count; ++j, to += pairs) {
            const int reach = column + win.pad_left - across[j] * win.dilation_w, from_column = reach / win.stride_w;
            if (outside || reach < 0 || from_column >= g.out.width) {
              std::fill_n(to, pairs, Bf16(0));
              continue;
            }
            cpu::detail::copy_few(map + (std::int64_t{from_row} * g.out.width + from_column) * g.out.channels, filters, to);
            if (pairs > filters) to[filters] = Bf16(0);
          }
        }
        std::fill_n(to, depth - taps, Bf16(0));
      }
      multiply(product, count, channels, depth, patches, depth, packed + group * panels_size(depth, channels), depth, sums,
               channels, false, edge);
      if (depth == 0) std::fill_n(sums, std::int64_t{count} * channels, 0.f);
      for (int r = 0; r < count; ++r) {
        const auto [sample, row, column] = place(r);
        round_rows(1, channels, sums + std::int64_t{r} * channels, channels, bias ? bias + group * channels : nullptr,
                   false,
                   dx + sample * g.in.size() + (std::int64_t{row} * g.in.width + column) * g.in.channels + group * channels,
                   channels);
      }
    });
  }
}

// A task is a slice of the weights and goes through the whole batch in order.
inline void backward_weights(const Geometry& g, int batch, const Bf16* x, const Bf16* dy, float* dw, ThreadPool& pool,
                             float* scratch) {
  const PanelProduct product = panel_product(unit());
  const int channels = g.in.channels / g.groups, filters = g.out.channels / g.groups;
  const int positions = g.window.kernel_h * g.window.kernel_w, at_once = cpu::detail::positions_at_once(g);
  const int slices = (positions + at_once - 1) / at_once, patch = patch_of_task(g);
  const int parts = cpu::detail::filter_blocks(g), part = (filters + parts - 1) / parts;
  const std::int64_t rows = std::int64_t{batch} * g.out.height * g.out.width;
  float* own = Scratch(scratch).floats(0);
  pool.parallel_for(slices * g.groups * parts, [=, &g](int task, int worker) {
    const int group = task / parts / slices, tap = task / parts % slices * at_once;
    const int taps = std::min(at_once, positions - tap), width = taps * channels;
    const int begin = task % parts * part, many = std::min(part, filters - begin);
    if (many <= 0) return;
    Scratch mine(own + worker * (weights_scratch(g, 1)));
    Bf16 *patches = mine.halves(std::int64_t{weight_positions} * patch),
         *left = mine.halves(std::int64_t{weight_positions} * patch),
         *right = mine.halves(panels_size(weight_positions, filters));
    float *sums = mine.floats(std::int64_t{patch} * filters), *edge = mine.floats(std::int64_t{patch} * panel_width);
    if (rows == 0) std::fill_n(sums, std::int64_t{width} * many, 0.f);
    for (std::int64_t first = 0; first < rows; first += weight_positions) {
      const int count = static_cast<int>(std::min<std::int64_t>(weight_positions, rows - first));
      const int depth = steps_of(count);
      cpu::detail::im2col(g, x, first, count, group, tap, taps, patches);
      pack_transposed(patches, width, count, width, left);
      for (int n = 0; n < many; n += panel_width)
        pack_rows(dy + first * g.out.channels + group * filters + begin + n, g.out.channels, count,
                  std::min(panel_width, many - n), right + std::int64_t{n} * depth);
      multiply(product, width, many, depth, left, depth, right, depth, sums, many, first > 0, edge);
    }
    float* to = dw + std::int64_t{tap} * channels * g.out.channels + group * filters + begin;
    for (int r = 0; r < width; ++r) std::copy_n(sums + std::int64_t{r} * many, many, to + std::int64_t{r} * g.out.channels);
  });
}

// vdpbf16ps multiplies at twice the rate of float32 at most, and float32's Winograd saves more. AMX is faster than both.
// winograd_pays: for so many samples of this pass.
template <class Pays>
bool is_wide(const Geometry& g, int batch, Pays winograd_pays) {
  if (unit() == Unit::widened || cpu::detail::is_depthwise<float>(g)) return true;
  const int samples = samples_at_once(g, batch);
  return unit() != Unit::amx && samples >= cpu::detail::direct_batch && winograd_pays(g, samples);
}
inline bool forward_is_wide(const Geometry& g, int batch) {
  return is_wide(g, batch, [](const Geometry& of, int samples) { return cpu::detail::winograd_pays(of, samples); });
}
inline bool input_is_wide(const Geometry& g, int batch) { return is_wide(g, batch, cpu::detail::winograd_input_pays); }
inline bool weights_are_wide(const Geometry& g, int batch) { return is_wide(g, batch, cpu::detail::winograd_weights_pay); }

}  // namespace detail

// relu: y is rectified. bias may be null.
inline void conv_forward(const Geometry& g, int batch, const Bf16* x, const float* w, const float* bias, Bf16* y,
                         ThreadPool& pool, float* scratch, bool relu = false) {
  if (detail::forward_is_wide(g, batch))
    detail::wide_forward(g, batch, x, w, bias, relu, y, pool, scratch);
  else
    detail::forward(g, batch, x, w, bias, relu, y, pool, scratch);
}
// bias (C) or null: added to dx, as a transposed convolution wants it.
inline void conv_backward_input(const Geometry& g, int batch, const Bf16* dy, const float* w, Bf16* dx, ThreadPool& pool,
                                float* scratch, const float* bias = nullptr) {
  if (detail::input_is_wide(g, batch))
    detail::wide_backward_input(g, batch, dy, w, bias, dx, pool, scratch);
  else
    detail::backward_input(g, batch, dy, w, bias, dx, pool, scratch);
}
// db may be null.
inline void conv_backward_weights(const Geometry& g, int batch, const Bf16* x, const Bf16* dy, float* dw, float* db,
                                  ThreadPool& pool, float* scratch) {
  if (detail::weights_are_wide(g, batch))
    detail::wide_backward_weights(g, batch, x, dy, dw, pool, scratch);
  else
    detail::backward_weights(g, batch, x, dy, dw, pool, scratch);
  if (db) detail::sum_rows(std::int64_t{batch} * g.out.height * g.out.width, g.out.channels, dy, db, pool, scratch);
}

}  // namespace strata::inline STRATA_ABI::cpu::bf16
