// SPDX-License-Identifier: BSL-1.0
// Dense layers in bfloat16: x (N,in), w (in,units) in float32, y (N,units).
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu_bf16/multiply.hpp>
#include <strata/backend/cpu_bf16/pack.hpp>
#include <strata/backend/cpu_bf16/row_sums.hpp>
#include <strata/backend/cpu_bf16/sizes.hpp>
#include <strata/backend/cpu_bf16/wide.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu::bf16 {

namespace detail {

// y (rows, columns) = x (rows, depth) B, plus a bias or not, rectified or not. Weights are read once: a task has some
// columns, and packs a block of their depth at a time. pack(k, deep, n, width, panel) packs B's elements [k, k + deep) x
// [n, n + width).
template <class Pack>
void dense_product(int rows, int columns, int depth, const Bf16* x, const float* bias, bool relu, Bf16* y, ThreadPool& pool,
                   float* scratch, const Pack& pack) {
  const PanelProduct product = panel_product(unit());
  const int padded = steps_of(depth);
  Scratch shared(scratch);
  Bf16* copied = shared.halves(std::int64_t{rows} * padded);
  float* own = shared.floats(0);
  const std::int64_t each = floats_of(panels_size(block_depth, dense_columns)) +
                            whole_lines(std::int64_t{rows} * dense_columns) + std::int64_t{rows} * panel_width;
  if (padded != depth)
    for (int r = 0; r < rows; ++r) {
      Bf16* row = copied + std::int64_t{r} * padded;
      std::copy_n(x + std::int64_t{r} * depth, depth, row);
      std::fill(row + depth, row + padded, Bf16(0));
    }
  const Bf16* left = padded == depth ? x : copied;
  pool.parallel_for((columns + dense_columns - 1) / dense_columns, [=, &pack](int task, int worker) {
    const int first = task * dense_columns, count = std::min(dense_columns, columns - first);
    Scratch mine(own + worker * each);
    Bf16* panels = mine.halves(panels_size(block_depth, dense_columns));
    float *sums = mine.floats(std::int64_t{rows} * dense_columns), *edge = mine.floats(std::int64_t{rows} * panel_width);
    if (depth == 0) std::fill_n(sums, std::int64_t{rows} * dense_columns, 0.f);
    for (int k = 0; k < depth; k += block_depth) {
      const int deep = std::min(block_depth, depth - k), steps = steps_of(deep);
      for (int n = 0; n < count; n += panel_width)
        pack(k, deep, first + n, std::min(panel_width, count - n), panels + std::int64_t{n} * steps);
      multiply(product, rows, count, steps, left + k, padded, panels, steps, sums, dense_columns, k > 0, edge);
    }
    round_rows(rows, count, sums, dense_columns, bias ? bias + first : nullptr, relu, y + first, columns);
  });
}

// With few samples, reading the weights takes most of the time, so that packing them does not pay.
inline bool is_wide(int batch) { return unit() == Unit::widened || batch <= cpu::detail::skinny_samples; }

}  // namespace detail

inline void dense_forward(int in, int units, int batch, const Bf16* x, const float* w, const float* bias, Bf16* y,
                          ThreadPool& pool, float* scratch, bool relu = false) {
  if (detail::is_wide(batch)) return detail::wide_dense_forward(in, units, batch, x, w, bias, relu, y, pool, scratch);
  detail::dense_product(batch, units, in, x, bias, relu, y, pool, scratch,
                        [=](int k, int deep, int n, int width, Bf16* panel) {
                          detail::pack_rows(w + std::int64_t{k} * units + n, units, deep, width, panel);
                        });
}
inline void dense_backward_input(int in, int units, int batch, const Bf16* dy, const float* w, Bf16* dx, ThreadPool& pool,
                                 float* scratch) {
  if (detail::is_wide(batch)) return detail::wide_dense_backward_input(in, units, batch, dy, w, dx, pool, scratch);
  const float* none = nullptr;
  detail::dense_product(batch, in, units, dy, none, false, dx, pool, scratch,
                        [=](int k, int deep, int n, int width, Bf16* panel) {
                          detail::pack_columns(w + std::int64_t{n} * units + k, units, deep, width, panel);
                          const int done = detail::even(deep);
                          std::fill_n(panel + std::int64_t{done} * detail::panel_width,
                                      std::int64_t{detail::steps_of(deep) - done} * detail::panel_width, Bf16(0));
                        });
}
// db may be null.
inline void dense_backward_weights(int in, int units, int batch, const Bf16* x, const Bf16* dy, float* dw, float* db,
                                   ThreadPool& pool, float* scratch) {
  if (detail::is_wide(batch)) return detail::wide_dense_backward_weights(in, units, batch, x, dy, dw, db, pool, scratch);
  using namespace detail;
  const PanelProduct product = panel_product(unit());
  const int depth = steps_of(batch), rows = std::min(in, task_rows), panels = (units + panel_width - 1) / panel_width;
  detail::Scratch shared(scratch);
  Bf16* right = shared.halves(panels_size(depth, units));
  float* own = shared.floats(0);
  pool.parallel_for(panels, [=](int task, int) {
    const int n = task * panel_width;
    pack_rows(dy + n, units, batch, std::min(panel_width, units - n), right + std::int64_t{n} * depth);
  });
  const std::int64_t each = floats_of(std::int64_t{rows} * depth) + std::int64_t{rows} * panel_width;
  pool.parallel_for((in + rows - 1) / rows, [=](int task, int worker) {
    const int first = task * rows, count = std::min(rows, in - first);
    detail::Scratch mine(own + worker * each);
    Bf16* left = mine.halves(std::int64_t{rows} * depth);
    float* edge = mine.floats(std::int64_t{rows} * panel_width);
    pack_transposed(x + first, in, batch, count, left);
    multiply(product, count, units, depth, left, depth, right, depth, dw + std::int64_t{first} * units, units, false, edge);
  });
  if (db) detail::sum_rows(batch, units, dy, db, pool, scratch);
}

}  // namespace strata::inline STRATA_ABI::cpu::bf16
