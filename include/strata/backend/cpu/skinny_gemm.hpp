// SPDX-License-Identifier: BSL-1.0
// Products for one sample or a few, which spend most of their time reading the weights: y += x w for a few rows; w is
// streamed once, in whole rows. After a ReLU about half of x is zero, and a row of w that meets only zeros is not read. A
// NaN or an infinity in such a row therefore does not reach y.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/conv_direct.hpp>
#include <strata/backend/cpu/simd.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu::detail {

template <class T>
struct RowPair {
  const T* x;
  T* y;
};

// y[0, units) += x[0, depth) w for each row; w (depth,units) with ldw from row to row.
template <class T>
struct SkinnyGemm {
  template <int Bytes>
  STRATA_INLINE static void run(const RowPair<T>* rows, int count, int depth, int units, const T* w, std::int64_t ldw,
                                bool skip_zeros) {
    using numbers = vector<T, Bytes>;
    constexpr int lanes = lanes_of<T, Bytes>, at_once = 4;
    // Several rows share a block of w, which then stays in the first-level cache. One row alone needs no blocks.
    const int block = count == 1 ? depth : 16;
    for (int begin = 0; begin < depth; begin += block) {
      const int end = std::min(depth, begin + block);
      for (int r = 0; r < count; ++r) {
        const T* x = rows[r].x;
        T* y = rows[r].y;
        for (int k = begin; k < end;) {
          const T* from[at_once];
          T factor[at_once];
          int found = 0;
          for (; k < end && found < at_once; ++k)
            if (!skip_zeros || x[k] != T{0}) from[found] = w + k * ldw, factor[found++] = x[k];
          if (found == 0) break;
          for (int i = found; i < at_once; ++i) from[i] = from[0], factor[i] = T{0};
          int u = 0;
          for (; u + lanes <= units; u += lanes) {
            numbers sum, v[at_once];
            load(sum, y + u);
            STRATA_UNROLL for (int i = 0; i < at_once; ++i) load(v[i], from[i] + u);
            STRATA_UNROLL for (int i = 0; i < at_once; ++i) sum += factor[i] * v[i];
            store(y + u, sum);
          }
          for (; u < units; ++u)
            for (int i = 0; i < found; ++i) y[u] += factor[i] * from[i][u];
        }
      }
    }
  }
  using table = versions<SkinnyGemm, const RowPair<T>*, int, int, int, const T*, std::int64_t, bool>;
};

// y = bias + the sums of all shares; sums (shares,rows,units), dense.
template <class T>
void add_shares(int rows, int units, const T* sums, const T* bias, T* y, int stride, ThreadPool& pool) {
  const std::int64_t apart = static_cast<std::int64_t>(rows) * units;
  for_elements(
      rows, pool,
      [=](std::int64_t r) {
        Array<T> total(y + r * stride, units);
        total = ConstArray<T>(sums + r * units, units);
        for (int s = 1; s < depth_shares; ++s) total += ConstArray<T>(sums + s * apart + r * units, units);
        if (bias) total += ConstArray<T>(bias, units);
      },
      std::max(1, 8192 / units));
}

// x (N,in), w (in,units), y (N,units), N at most skinny_rows.
template <class T>
void dense_skinny(int in, int units, int batch, const T* x, const T* w, const T* bias, T* y, bool skip_zeros,
                  ThreadPool& pool, T* scratch) {
  const auto run = SkinnyGemm<T>::table::of(path_now());
  T* const sums = at_cache_line(scratch);
  const int share = (in + depth_shares - 1) / depth_shares;
  pool.parallel_for(depth_shares, [=](int task, int) {
    T* const mine = sums + static_cast<std::int64_t>(task) * batch * units;
    std::fill_n(mine, static_cast<std::int64_t>(batch) * units, T{0});
    const int first = task * share, depth = std::min(share, in - first);
    if (depth <= 0) return;
    RowPair<T> rows[skinny_rows];
    for (int n = 0; n < batch; ++n)
      rows[n] = {x + static_cast<std::int64_t>(n) * in + first, mine + static_cast<std::int64_t>(n) * units};
    run(rows, batch, depth, units, w + static_cast<std::int64_t>(first) * units, units, skip_zeros);
  });
  add_shares(batch, units, sums, bias, y, units, pool);
}

template <class T>
void conv_skinny(const Geometry& g, int batch, const T* x, const T* w, const T* bias, T* y, int stride, bool skip_zeros,
                 ThreadPool& pool, T* scratch) {
  const auto run = SkinnyGemm<T>::table::of(path_now());
  const Window& win = g.window;
  const int channels = g.in.channels / g.groups, filters = g.out.channels / g.groups;
  const int map = g.out.height * g.out.width, all = batch * map;
  const std::int64_t taps = g.taps();
  T* const sums = at_cache_line(scratch);
  pool.parallel_for(depth_shares, [=, &g](int task, int) {
    T* const mine = sums + static_cast<std::int64_t>(task) * all * g.out.channels;
    std::fill_n(mine, static_cast<std::int64_t>(all) * g.out.channels, T{0});
    // Of the rows of w, which are (tap, channel).
    const auto first = static_cast<int>(taps * task / depth_shares),
               last = static_cast<int>(taps * (task + 1) / depth_shares);
    for (int at = first; at < last;) {
      const int tap = at / channels, channel = at % channels, depth = std::min(channels - channel, last - at);
      const int kh = tap / win.kernel_w, kw = tap % win.kernel_w;
      const IndexRange is = outputs_under(kh, win.stride_h, win.dilation_h, win.pad_top, g.in.height, g.out.height);
      const IndexRange js = outputs_under(kw, win.stride_w, win.dilation_w, win.pad_left, g.in.width, g.out.width);
      for (int group = 0; group < g.groups; ++group) {
        RowPair<T> rows[skinny_rows];
        int count = 0;
        for (int n = 0; n < batch; ++n)
          for (int i = is.first; i < is.end; ++i)
            for (int j = js.first; j < js.end; ++j) {
              const int row = i * win.stride_h - win.pad_top + kh * win.dilation_h;
              const int column = j * win.stride_w - win.pad_left + kw * win.dilation_w;
              rows[count++] = {
                  x + n * g.in.size() + (static_cast<std::int64_t>(row) * g.in.width + column) * g.in.channels +
                      group * channels + channel,
                  mine + (static_cast<std::int64_t>(n) * map + i * g.out.width + j) * g.out.channels + group * filters};
            }
        if (count > 0)
          run(rows, count, depth, filters, w + static_cast<std::int64_t>(at) * g.out.channels + group * filters,
              g.out.channels, skip_zeros);
      }
      at += depth;
    }
  });
  add_shares(all, g.out.channels, sums, bias, y, stride, pool);
}

}  // namespace strata::inline STRATA_ABI::cpu::detail
