// SPDX-License-Identifier: BSL-1.0
// Convolutions by im2col and matrix products, a bounded number of output positions at a time: for small batches, and for
// the path `eigen`. x (N,H,W,C), w (KH,KW,C/groups,F), y (N,H',W',F).
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/gemm.hpp>
#include <strata/backend/cpu/simd.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu::detail {

// Blocks of filters, if the shares of the taps are too few tasks. Independent of the number of threads.
constexpr int filter_blocks(const Geometry& g) {
  const int at_once = positions_at_once(g),
            tasks = (g.window.kernel_h * g.window.kernel_w + at_once - 1) / at_once * g.groups;
  return std::max(1, std::min((7 + tasks) / tasks, g.out.channels / g.groups / 32));
}

struct Position {
  int sample, row, column;
};
inline Position position_of(const Geometry& g, std::int64_t flat) {
  const std::int64_t map = static_cast<std::int64_t>(g.out.height) * g.out.width;
  const int within = static_cast<int>(flat % map);
  return {static_cast<int>(flat / map), within / g.out.width, within % g.out.width};
}

// patches = kernel positions [tap, tap + taps) under output positions [first, first + count), one group: (count, taps,
// channels).
template <class T>
void im2col(const Geometry& g, const T* x, std::int64_t first, int count, int part, int tap, int taps, T* patches) {
  const Window& w = g.window;
  const int channels = g.in.channels / g.groups;
  const std::int64_t image = g.in.size();
  const bool whole_rows = w.dilation_w == 1 && g.groups == 1;  // a kernel row is contiguous
  Position p = position_of(g, first);
  for (int r = 0; r < count; ++r) {
    const T* from = x + p.sample * image + part * channels;
    const int top = p.row * w.stride_h - w.pad_top, left = p.column * w.stride_w - w.pad_left;
    for (int k = tap, run; k < tap + taps; k += run, patches += run * channels) {
      const int kw = k % w.kernel_w;
      run = whole_rows ? std::min(w.kernel_w - kw, tap + taps - k) : 1;
      const int row = top + k / w.kernel_w * w.dilation_h, column = left + kw * w.dilation_w;
      const int before = row < 0 || row >= g.in.height ? run : std::clamp(-column, 0, run);
      const int after = std::clamp(column + run - g.in.width, 0, run - before);
      std::fill_n(patches, before * channels, T{0});
      if (const int inside = run - before - after; inside > 0)
        copy_few(from + (static_cast<std::int64_t>(row) * g.in.width + column + before) * g.in.channels, inside * channels,
                 patches + before * channels);
      std::fill_n(patches + (run - after) * channels, after * channels, T{0});
    }
    if (++p.column == g.out.width) p.column = 0, ++p.row;
    if (p.row == g.out.height) p.row = 0, ++p.sample;
  }
}

// Adds the patches of one sample to its dx.
template <class T>
void col2im(const Geometry& g, const T* patches, int first, int count, int part, T* dx) {
  const Window& w = g.window;
  const int channels = g.in.channels / g.groups, positions = w.kernel_h * w.kernel_w;
  for (int r = 0; r < count; ++r) {
    const int top = (first + r) / g.out.width * w.stride_h - w.pad_top;
    const int left = (first + r) % g.out.width * w.stride_w - w.pad_left;
    for (int k = 0; k < positions; ++k, patches += channels) {
      const int row = top + k / w.kernel_w * w.dilation_h, column = left + k % w.kernel_w * w.dilation_w;
      if (row < 0 || row >= g.in.height || column < 0 || column >= g.in.width) continue;
      T* to = dx + (static_cast<std::int64_t>(row) * g.in.width + column) * g.in.channels + part * channels;
      Array<T>(to, channels) += ConstArray<T>(patches, channels);
    }
  }
}

// Fewer pieces of the output than this leave cores idle; then tasks are blocks of filters of a piece.
inline constexpr int few_pieces = 8, filters_of_task = 128;

template <class T>
void patches_forward(const Geometry& g, int batch, const T* x, const T* w, const T* bias, T* y, int stride,
                     ThreadPool& pool, T* scratch) {
  const int taps = static_cast<int>(g.taps()), filters = g.out.channels / g.groups;
  const int positions = g.window.kernel_h * g.window.kernel_w;
  const std::int64_t each = patches_scratch<T>(g), patch_size = static_cast<std::int64_t>(patch_rows) * taps;
  const std::int64_t rows = static_cast<std::int64_t>(batch) * g.out.height * g.out.width;
  const int pieces = static_cast<int>((rows + patch_rows - 1) / patch_rows);
  // Filters [from, from + many) of a group at `count` positions from `first` on.
  const auto multiply = [=](std::int64_t first, int count, int group, int from, int many, const T* patches, T* mine) {
    const int start = group * filters + from;
    T* out = y + first * stride + start;
    if (bias)
      for (int r = 0; r < count; ++r) std::copy_n(bias + start, many, out + static_cast<std::int64_t>(r) * stride);
    gemm(false, false, count, many, taps, patches, taps, w + start, g.out.channels, out, stride, bias != nullptr,
         mine + patch_size);
  };
  if (pieces >= few_pieces) {
    pool.parallel_for(pieces, [=](int task, int worker) {
      const std::int64_t first = static_cast<std::int64_t>(task) * patch_rows;
      const int count = static_cast<int>(std::min<std::int64_t>(patch_rows, rows - first));
      T* patches = scratch + worker * each;
      for (int group = 0; group < g.groups; ++group) {
        im2col(g, x, first, count, group, 0, positions, patches);
        multiply(first, count, group, 0, filters, patches, patches);
      }
    });
    return;
  }
  const int blocks = (filters + filters_of_task - 1) / filters_of_task;
  for (int piece = 0; piece < pieces; ++piece)
    for (int group = 0; group < g.groups; ++group) {
      const std::int64_t first = static_cast<std::int64_t>(piece) * patch_rows;
      const int count = static_cast<int>(std::min<std::int64_t>(patch_rows, rows - first));
      constexpr int few = 8;
      pool.parallel_for((count + few - 1) / few, [=](int task, int) {
        im2col(g, x, first + task * few, std::min(few, count - task * few), group, 0, positions,
               scratch + static_cast<std::int64_t>(task) * few * taps);
      });
      pool.parallel_for(blocks, [=](int task, int worker) {
        const int from = task * filters_of_task;
        multiply(first, count, group, from, std::min(filters_of_task, filters - from), scratch, scratch + worker * each);
      });
    }
}

// A task is a sample, or several with small maps, so that no two tasks add to the same element.
template <class T>
void patches_backward_input(const Geometry& g, int batch, const T* dy, const T* w, T* dx, ThreadPool& pool, T* scratch) {
  const int taps = static_cast<int>(g.taps()), filters = g.out.channels / g.groups;
  const int map = g.out.height * g.out.width;
  const int samples = std::max(1, std::min(patch_rows / map, batch / 16));
  const std::int64_t each = patches_scratch<T>(g);
  pool.parallel_for((batch + samples - 1) / samples, [=](int task, int worker) {
    const int begin = task * samples, mine = std::min(samples, batch - begin);
    T* patches = scratch + worker * each;
    T* to = dx + begin * g.in.size();
    std::fill_n(to, mine * g.in.size(), T{0});
    for (int first = 0; first < mine * map; first += patch_rows) {
      const int count = std::min(patch_rows, mine * map - first);
      const T* from = dy + begin * g.out.size() + static_cast<std::int64_t>(first) * g.out.channels;
      for (int group = 0; group < g.groups; ++group) {
        gemm(false, true, count, taps, filters, from + group * filters, g.out.channels, w + group * filters, g.out.channels,
             patches, taps, false, patches + static_cast<std::int64_t>(patch_rows) * taps);
        for (int r = 0, rows = 0; r < count; r += rows) {
          const int within = (first + r) % map;
          rows = std::min(map - within, count - r);
          col2im(g, patches + static_cast<std::int64_t>(r) * taps, within, rows, group,
                 to + (first + r) / map * g.in.size());
        }
      }
    }
  });
}

// A task is a slice of the weights and goes through the whole batch in order. Independent of the number of threads.
template <class T>
void patches_backward_weights(const Geometry& g, int batch, const T* x, const T* dy, T* dw, ThreadPool& pool, T* scratch) {
  const int channels = g.in.channels / g.groups, filters = g.out.channels / g.groups;
  const int positions = g.window.kernel_h * g.window.kernel_w, at_once = positions_at_once(g);
  const int slices = (positions + at_once - 1) / at_once;
  const std::int64_t each = patches_scratch<T>(g);
  const std::int64_t rows = static_cast<std::int64_t>(batch) * g.out.height * g.out.width;
  const int blocks = filter_blocks(g), block = (filters + blocks - 1) / blocks;
  pool.parallel_for(slices * g.groups * blocks, [=](int task, int worker) {
    const int group = task / blocks / slices, tap = task / blocks % slices * at_once;
    const int taps = std::min(at_once, positions - tap), width = taps * channels;
    const int begin = task % blocks * block, many = std::min(block, filters - begin);
    if (many <= 0) return;
    T* patches = scratch + worker * each;
    T* to = dw + static_cast<std::int64_t>(tap) * channels * g.out.channels + group * filters + begin;
    for (std::int64_t first = 0; first < rows; first += weight_rows) {
      const int count = static_cast<int>(std::min<std::int64_t>(weight_rows, rows - first));
      im2col(g, x, first, count, group, tap, taps, patches);
      gemm(true, false, width, many, count, patches, width, dy + first * g.out.channels + group * filters + begin,
           g.out.channels, to, g.out.channels, first > 0,
           patches + static_cast<std::int64_t>(weight_rows) * at_once * channels);
    }
  });
}

}  // namespace strata::inline STRATA_ABI::cpu::detail
