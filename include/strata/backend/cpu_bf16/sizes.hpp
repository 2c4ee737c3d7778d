// SPDX-License-Identifier: BSL-1.0
// How much scratch the products need, in floats, and the sizes of their blocks that this follows from.
#pragma once
#include <algorithm>
#include <cstdint>
#include <numeric>

#include <strata/backend/cpu/sizes.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu::bf16 {

namespace detail {

// Columns of a panel of the right operand, and the steps in which depths are padded: two tiles of AMX, and one.
inline constexpr int panel_width = 32, depth_step = 32;
constexpr int steps_of(int depth) { return (depth + depth_step - 1) / depth_step * depth_step; }
constexpr int even(int n) { return (n + 1) / 2 * 2; }

// A piece of a panel, this deep, stays in the first-level cache beside the left operand's rows.
inline constexpr int block_depth = 256;
// Rows of the output of a task, at most: whole tiles on any unit.
inline constexpr int task_rows = 96;

// Elements of the panels of a right operand.
constexpr std::int64_t panels_size(std::int64_t depth, int columns) {
  return depth * ((columns + panel_width - 1) / panel_width * panel_width);
}
// Floats with the room of so many Bf16. Parts begin at a cache line.
constexpr std::int64_t floats_of(std::int64_t n) { return (n + 31) / 32 * 16; }
constexpr std::int64_t whole_lines(std::int64_t floats) { return (floats + 15) / 16 * 16; }

// ---- Sums over rows ----

// The number of shares of the rows. Each share has its own sums; the number depends on the shape alone.
constexpr int row_shares(std::int64_t rows) { return static_cast<int>(std::clamp<std::int64_t>(rows / 256, 1, 64)); }
constexpr std::int64_t row_sums_scratch(std::int64_t rows, int channels) {
  return std::int64_t{4} * channels * row_shares(rows) + 16;
}

// ---- Convolutions ----

// Left operand, sums, and the sums of a panel at the edge.
constexpr std::int64_t rows_scratch(int rows, std::int64_t depth, int columns) {
  return floats_of(rows * depth) + whole_lines(std::int64_t{rows} * columns) + rows * panel_width;
}
constexpr std::int64_t forward_scratch(const Geometry& g, int threads) {
  const int filters = g.out.channels / g.groups, depth = steps_of(static_cast<int>(g.taps()));
  return floats_of(g.groups * panels_size(depth, filters)) + threads * rows_scratch(task_rows, depth, filters);
}

// Positions of the input whose gradient needs the same positions of the kernel: those with the same remainders by the
// strides.
constexpr int phases(const Geometry& g) { return g.window.stride_h * g.window.stride_w; }
// The depth of the phase that has most of the kernel's positions, which are stride / gcd(stride, dilation) apart.
constexpr std::int64_t phase_depth(const Geometry& g) {
  const auto most = [](int kernel, int stride, int dilation) {
    const int step = stride / std::gcd(stride, dilation);
    return (kernel + step - 1) / step;
  };
  const Window& w = g.window;
  return steps_of(most(w.kernel_h, w.stride_h, w.dilation_h) * most(w.kernel_w, w.stride_w, w.dilation_w) *
                  even(g.out.channels / g.groups));
}
constexpr std::int64_t input_scratch(const Geometry& g, int threads) {
  const int channels = g.in.channels / g.groups;
  return floats_of(g.groups * panels_size(phase_depth(g), channels)) +
         threads * rows_scratch(task_rows, phase_depth(g), channels);
}

// The weights' gradient: positions of the output at once, and elements of a patch in a task.
inline constexpr int weight_positions = 256;
constexpr int patch_of_task(const Geometry& g) { return cpu::detail::positions_at_once(g) * (g.in.channels / g.groups); }
constexpr std::int64_t weights_scratch(const Geometry& g, int threads) {
  const int filters = g.out.channels / g.groups, patch = patch_of_task(g);
  return threads *
         (2 * floats_of(std::int64_t{weight_positions} * patch) + floats_of(panels_size(weight_positions, filters)) +
          whole_lines(std::int64_t{patch} * filters) + patch * panel_width);
}
// By float32's kernels, over widened copies of so many samples: enough for their tiles, few enough for the cache.
constexpr int samples_at_once(const Geometry& g, int batch) {
  const std::int64_t fit = (std::int64_t{1} << 20) / (g.in.size() + g.out.size());
  return static_cast<int>(
      std::clamp<std::int64_t>(fit, std::min(batch, 2 * cpu::detail::direct_batch), std::max(batch, 1)));
}
constexpr std::int64_t wide_scratch(const Geometry& g, int batch, int threads) {
  const int most = samples_at_once(g, batch);
  return whole_lines(most * g.in.size()) + whole_lines(most * g.out.size()) + whole_lines(g.taps() * g.out.channels) +
         cpu::conv_scratch<float>(g, most, threads);
}

// ---- Dense layers ----

// Columns of a task: as many panels as reuse a block of the left operand.
inline constexpr int dense_columns = 128;
constexpr std::int64_t dense_rows_scratch(int rows, int depth, int threads) {
  return floats_of(std::int64_t{rows} * steps_of(depth)) +
         threads * (floats_of(panels_size(block_depth, dense_columns)) + whole_lines(std::int64_t{rows} * dense_columns) +
                    rows * panel_width);
}
constexpr std::int64_t wide_dense_scratch(int in, int units, int batch, int threads) {
  return whole_lines(std::int64_t{batch} * in) + whole_lines(std::int64_t{batch} * units) +
         cpu::dense_scratch<float>(in, units, batch, threads);
}
constexpr std::int64_t dense_weights_scratch(int in, int units, int batch, int threads) {
  const int rows = std::min(in, task_rows);
  return floats_of(panels_size(steps_of(batch), units)) +
         threads * (floats_of(std::int64_t{rows} * steps_of(batch)) + rows * panel_width);
}

}  // namespace detail

// ---- What the entry points ask for ----

constexpr std::int64_t conv_scratch(const Geometry& g, int batch, int threads) {
  const auto bias = [=](Shape of) { return detail::row_sums_scratch(batch * of.size() / of.channels, of.channels); };
  const std::int64_t wide = std::max({detail::wide_scratch(g, batch, threads), bias(g.in), bias(g.out)});
  if (cpu::detail::is_depthwise<float>(g)) return wide + detail::depth_step;
  return std::max({wide, detail::forward_scratch(g, threads), detail::input_scratch(g, threads),
                   detail::weights_scratch(g, threads)}) +
         detail::depth_step;
}
constexpr std::int64_t dense_scratch(int in, int units, int batch, int threads) {
  return std::max({detail::wide_dense_scratch(in, units, batch, threads), detail::dense_rows_scratch(batch, in, threads),
                   detail::dense_rows_scratch(batch, units, threads),
                   detail::dense_weights_scratch(in, units, batch, threads), detail::row_sums_scratch(batch, units)}) +
         detail::depth_step;
}

}  // namespace strata::inline STRATA_ABI::cpu::bf16
