// SPDX-License-Identifier: BSL-1.0
// Convolutions by packed filters. With eight samples or more a tile's rows are the same output position in several samples,
// so that they have the same taps, taps on padding are left out, and nothing but the weights is copied. With fewer samples,
// or few channels, they are positions of one sample: neighbours in a row of the output, over a padded copy of a few rows of
// the input; or, in a narrow map, positions whose patches are gathered first. x (N,H,W,C), w (KH,KW,C/groups,F), y
// (N,H',W',F).
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/conv_patches.hpp>
#include <strata/backend/cpu/finish.hpp>
#include <strata/backend/cpu/row_sums.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/backend/cpu/tiles.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu::detail {

// One panel of weights. If transposed, x + row * ld + k is x(row, k), otherwise x(k, row).
template <class T>
void pack_weights(bool transposed, int columns, int lanes, int rows, const T* x, std::int64_t ld, T* to) {
  pack_panel(!transposed, columns, rows, x, ld, columns > lanes ? 2 * lanes : lanes, to);
}

// The weights in panels, each with its bias in the last row. bias and scale (F) may be null; scale multiplies the filters.
template <class T>
void pack_filters(const Geometry& g, const TileSet<T, RowsTile>& tiles, const T* w, const T* bias, const T* scale,
                  T* packed, ThreadPool& pool) {
  const int filters = g.out.channels / g.groups;
  const Panels panels{filters, tiles.width, static_cast<int>(g.taps())};
  pool.parallel_for(g.groups * panels.count(), [&](int task, int) {
    const int group = task / panels.count(), from = task % panels.count() * panels.width;
    const int columns = std::min(panels.width, filters - from), wide = columns > tiles.lanes ? panels.width : tiles.lanes;
    const int first = group * filters + from;
    T* to = packed + task * panels.size();
    pack_weights(false, columns, tiles.lanes, panels.rows, w + first, g.out.channels, to);
    if (scale)
      for (int k = 0; k < panels.rows; ++k) Array<T>(to + k * wide, columns) *= ConstArray<T>(scale + first, columns);
    if (!bias) return;
    T* last = to + static_cast<std::int64_t>(panels.rows) * wide;
    std::fill_n(last, wide, T{0});
    std::copy_n(bias + first, columns, last);
  });
}

// Rows [first, first + plan.inputs) of the map, with zeros for the padding.
template <class T>
void copy_padded_rows(const Geometry& g, const RowsPlan& plan, const T* map, int first, T* to) {
  const int channels = g.in.channels, before = std::min(g.window.pad_left, plan.width);
  const int inside = std::clamp(plan.width - before, 0, g.in.width), after = plan.width - before - inside;
  for (int r = first; r < first + plan.inputs; ++r, to += plan.width * channels) {
    if (r < 0 || r >= g.in.height) {
      std::fill_n(to, plan.width * channels, T{0});
      continue;
    }
    std::fill_n(to, before * channels, T{0});
    std::copy_n(map + static_cast<std::int64_t>(r) * g.in.width * channels, inside * channels, to + before * channels);
    std::fill_n(to + (before + inside) * channels, after * channels, T{0});
  }
}

// A convolution by packed filters, in one of four ways. stride: from position to position of y. kept: scratch for
// sums and patches. finish may be null.
template <class T>
void packed_forward(const Geometry& g, const TileSet<T, RowsTile>& tiles, int batch, const T* x, const T* packed, bool bias,
                    Limits limits, T* y, int stride, ThreadPool& pool, T* kept, const Finish<T>* finish = nullptr) {
  if (batch == 0) return;
  const Window& win = g.window;
  const int channels = g.in.channels / g.groups, filters = g.out.channels / g.groups;
  const Panels panels{filters, tiles.width, static_cast<int>(g.taps())};
  const int parts = (panels.count() + panels_at_once - 1) / panels_at_once;
  const auto finished = [&](int group, IndexRange which, std::int64_t at, int rows, std::int64_t apart) {
    if (!finish) return;
    const int first = which.first * panels.width, count = std::min(filters, which.end * panels.width) - first;
    const int channel = group * filters + first;
    (*finish)(y, at, rows, apart, channel, count);
  };
  if (gathers(g, batch) && goes_along_rows(g)) {
    const RowsPlan plan(g);
    const int tasks = (g.out.height + plan.outputs - 1) / plan.outputs;
    const int pieces = (g.out.width + rows_at_once - 1) / rows_at_once, piece = (g.out.width + pieces - 1) / pieces;
    const bool whole_rows = win.dilation_w == 1 && g.groups == 1;
    pool.parallel_for(batch * tasks, [&](int task, int worker) {
      const int sample = task / tasks, first = task % tasks * plan.outputs,
                end = std::min(first + plan.outputs, g.out.height);
      const auto place = [&](int i, int j) {
        return ((static_cast<std::int64_t>(sample) * g.out.height + i) * g.out.width + j) * stride;
      };
      T* rows = kept + worker * (kept_size<T> + plan.size(g));
      T* sums_kept = rows + plan.size(g);
      copy_padded_rows(g, plan, x + sample * g.in.size(), first * win.stride_h - win.pad_top, rows);
      for (int group = 0; group < g.groups; ++group)
        for (int part = 0; part < parts; ++part) {
          RowSums<T> sums(tiles, panels, packed + group * panels.count() * panels.size(), panels.part(part), sums_kept);
          for (int i = first; i < end; ++i)
            for (int j = 0; j < g.out.width; j += piece) {
              const std::int64_t from = static_cast<std::int64_t>(i - first) * win.stride_h * plan.width + j * win.stride_w;
              const T* a = rows + from * g.in.channels + group * channels;
              T* c = y + place(i, j) + group * filters;
              const int count = std::min(piece, g.out.width - j);
              if (sums.again(a, count, c)) continue;
              sums.begin(a, win.stride_w * g.in.channels, count, c, stride, bias, limits);
              for (int kh = 0; kh < win.kernel_h; ++kh)
                for (int kw = 0; kw < win.kernel_w; kw += whole_rows ? win.kernel_w : 1)
                  sums.add(
                      (static_cast<std::int64_t>(kh) * win.dilation_h * plan.width + kw * win.dilation_w) * g.in.channels,
                      (kh * win.kernel_w + kw) * channels, (whole_rows ? win.kernel_w : 1) * channels);
              sums.end();
            }
        }
      if (finish) (*finish)(y, place(first, 0), std::int64_t{end - first} * g.out.width, stride, 0, g.out.channels);
    });
    return;
  }
  if (gathers(g, batch)) {
    const bool pointwise = is_pointwise(g);
    const std::int64_t rows = static_cast<std::int64_t>(batch) * g.out.height * g.out.width;
    // Products of `count` rows from `first` on, whose patches are there, and of some panels.
    const auto multiply = [&](int group, std::int64_t first, int count, IndexRange which, const T* patches, T* sums_kept) {
      RowSums<T> sums(tiles, panels, packed + group * panels.count() * panels.size(), which, sums_kept);
      sums.begin(pointwise ? x + first * g.in.channels : patches, panels.rows, count, y + first * stride + group * filters,
                 stride, bias, limits);
      sums.add(0, 0, panels.rows);
      sums.end();
      finished(group, which, first * stride, count, stride);
    };
    const auto gather = [&](int group, std::int64_t first, int count, T* patches) {
      if (!pointwise) im2col(g, x, first, count, group, 0, win.kernel_h * win.kernel_w, patches);
    };
    if (rows <= few_rows && g.groups == 1 && g.taps() * filters > batch * g.in.size() + rows * filters) {
      // Tasks are panels, so that each is read once or twice: the weights are most of what there is to read.
      T* patches = kept + pool.size() * kept_size<T>;
      constexpr int piece = 16;
      const int pieces = static_cast<int>((rows + piece - 1) / piece);
      if (!pointwise)
        pool.parallel_for(pieces, [&](int task, int) {
          const std::int64_t first = std::int64_t{task} * piece;
          gather(0, first, static_cast<int>(std::min<std::int64_t>(piece, rows - first)), patches + first * g.taps());
        });
      const int each = std::clamp(panels.count() / 8, 1, panels_at_once), tasks = (panels.count() + each - 1) / each;
      const int blocks = static_cast<int>((rows + rows_at_once - 1) / rows_at_once);
      const std::int64_t share = (rows + blocks - 1) / blocks;
      pool.parallel_for(tasks, [&](int task, int worker) {
        for (std::int64_t first = 0; first < rows; first += share)
          multiply(0, first, static_cast<int>(std::min(share, rows - first)),
                   {task * each, std::min((task + 1) * each, panels.count())},
                   pointwise ? nullptr : patches + first * g.taps(), kept + worker * kept_size<T>);
      });
      return;
    }
    const std::int64_t patch_size = pointwise ? 0 : rows_at_once * g.taps();
    const Parts blocks(rows, rows_at_once, tiles.tallest(), pool.size());
    pool.parallel_for(g.groups * blocks.count(), [&](int task, int worker) {
      const int group = task % g.groups, block = task / g.groups;
      const std::int64_t first = blocks.first(block);
      const auto count = static_cast<int>(blocks.size(block));
      T* patches = kept + worker * (patch_size + kept_size<T>);
      gather(group, first, count, patches);
      for (int panel = 0; panel < panels.count(); panel += panels_at_once)
        multiply(group, first, count, panels.part(panel / panels_at_once), patches, patches + patch_size);
    });
    return;
  }

  // Without dilation and groups, neighbouring taps of a kernel row are adjacent in x and in w.
  const bool whole_rows = win.dilation_w == 1 && g.groups == 1;
  const int blocks = (batch + rows_at_once - 1) / rows_at_once, share = (batch + blocks - 1) / blocks;
  pool.parallel_for(g.groups * parts * blocks * g.out.height * g.out.width, [&](int task, int worker) {
    const int group = task % g.groups, part = task / g.groups % parts, block = task / g.groups / parts % blocks;
    const int place = task / g.groups / parts / blocks, i = place / g.out.width, j = place % g.out.width;
    const int first = block * share, samples = std::min(share, batch - first);
    const std::int64_t out_size = static_cast<std::int64_t>(g.out.height) * g.out.width * stride;
    const std::int64_t at = first * out_size + static_cast<std::int64_t>(place) * stride;
    RowSums<T> sums(tiles, panels, packed + group * panels.count() * panels.size(), panels.part(part),
                    kept + worker * kept_size<T>);
    const IndexRange rows = taps_on(i, win.stride_h, win.dilation_h, win.kernel_h, win.pad_top, g.in.height);
    const IndexRange columns = taps_on(j, win.stride_w, win.dilation_w, win.kernel_w, win.pad_left, g.in.width);
    sums.begin(x + first * g.in.size() + group * channels, g.in.size(), samples, y + at + group * filters, out_size, bias,
               limits);
    for (int kh = rows.first; kh < rows.end; ++kh)
      for (int kw = columns.first; kw < columns.end; kw += whole_rows ? win.kernel_w : 1) {
        const std::int64_t row = static_cast<std::int64_t>(i) * win.stride_h - win.pad_top + kh * win.dilation_h;
        const std::int64_t column = static_cast<std::int64_t>(j) * win.stride_w - win.pad_left + kw * win.dilation_w;
        sums.add((row * g.in.width + column) * g.in.channels, (kh * win.kernel_w + kw) * channels,
                 whole_rows ? (columns.end - kw) * channels : channels);
      }
    sums.end();
    finished(group, panels.part(part), at, samples, out_size);
  });
}

template <class T>
void direct_forward(const Geometry& g, int batch, const T* x, const T* w, const T* bias, Limits limits, T* y,
                    ThreadPool& pool, T* scratch) {
  const TileSet<T, RowsTile> tiles(path_within<T>(g.out.channels / g.groups));
  T* packed = at_cache_line(scratch);
  const T* no_scale = nullptr;
  pack_filters(g, tiles, w, bias, no_scale, packed, pool);
  packed_forward(g, tiles, batch, x, packed, bias != nullptr, limits, y, g.out.channels, pool,
                 packed + packed_filters(g, tiles.width));
}

// dx: each input position gathers from the outputs that read it.
template <class T>
void direct_backward_input(const Geometry& g, int batch, const T* dy, const T* w, T* dx, ThreadPool& pool, T* scratch) {
  const Window& win = g.window;
  const int channels = g.in.channels / g.groups, filters = g.out.channels / g.groups;
  const TileSet<T, RowsTile> tiles(path_within<T>(channels));
  const int positions = win.kernel_h * win.kernel_w;
  const Panels panels{channels, tiles.width, positions * filters};
  T* packed = at_cache_line(scratch);
  T* kept = packed + g.groups * panels.count() * panels.size();
  pool.parallel_for(g.groups * panels.count(), [&](int task, int) {
    const int group = task / panels.count(), from = task % panels.count() * panels.width;
    const int columns = std::min(panels.width, channels - from), wide = columns > tiles.lanes ? panels.width : tiles.lanes;
    for (int tap = 0; tap < positions; ++tap)
      pack_weights(true, columns, tiles.lanes, filters,
                   w + (static_cast<std::int64_t>(tap) * channels + from) * g.out.channels + group * filters,
                   g.out.channels, packed + task * panels.size() + static_cast<std::int64_t>(tap) * filters * wide);
  });

  const int parts = (panels.count() + panels_at_once - 1) / panels_at_once;
  const int blocks = (batch + rows_at_once - 1) / rows_at_once, share = (batch + blocks - 1) / blocks;
  pool.parallel_for(g.groups * parts * blocks * g.in.height * g.in.width, [&](int task, int worker) {
    const int group = task % g.groups, part = task / g.groups % parts, block = task / g.groups / parts % blocks;
    const int place = task / g.groups / parts / blocks;
    const int first = block * share, samples = std::min(share, batch - first);
    const int row = place / g.in.width, column = place % g.in.width;
    RowSums<T> sums(tiles, panels, packed + group * panels.count() * panels.size(), panels.part(part),
                    kept + worker * kept_size<T>);
    sums.begin(dy + first * g.out.size(), g.out.size(), samples,
               dx + first * g.in.size() + static_cast<std::int64_t>(place) * g.in.channels + group * channels, g.in.size(),
               false);
    for (int kh = 0; kh < win.kernel_h; ++kh) {
      const int i = row + win.pad_top - kh * win.dilation_h;
      if (i < 0 || i % win.stride_h != 0 || i / win.stride_h >= g.out.height) continue;
      for (int kw = 0; kw < win.kernel_w; ++kw) {
        const int j = column + win.pad_left - kw * win.dilation_w;
        if (j < 0 || j % win.stride_w != 0 || j / win.stride_w >= g.out.width) continue;
        const std::int64_t from = static_cast<std::int64_t>(i / win.stride_h) * g.out.width + j / win.stride_w;
        sums.add(from * g.out.channels + group * filters, (kh * win.kernel_w + kw) * filters, filters);
      }
    }
    sums.end();
  });
}

template <class T>
void direct_backward_weights(const Geometry& g, int batch, const T* x, const T* dy, T* dw, ThreadPool& pool, T* scratch) {
  const TileSet<T, ListTile> tiles(path_now());
  const Window& win = g.window;
  const int channels = g.in.channels / g.groups, filters = g.out.channels / g.groups;
  const int map = g.out.height * g.out.width, most = samples_of_chunk(g, batch);
  const bool merged = along_kernel_row(g);
  const int width = padded_width(g), kernel_rows = merged ? win.kernel_w * channels : channels;
  const Panels panels{filters, tiles.width, most * map};
  const std::int64_t image = static_cast<std::int64_t>(g.in.height) * width;  // positions
  T* left = at_cache_line(scratch);
  T* right = at_cache_line(left + most * image * g.in.channels);
  T* each = right + g.groups * panels.count() * panels.size();
  const std::int64_t pairs_size =
      static_cast<std::int64_t>(most) * map * static_cast<std::int64_t>(sizeof(Pair) / sizeof(T));
  const int taps = win.kernel_h * (merged ? 1 : win.kernel_w);
  const int left_tasks = merged ? most : (channels + tiles.tallest() - 1) / tiles.tallest();
  const int parts = (panels.count() + panels_at_once - 1) / panels_at_once;

  for (int first = 0; first < batch; first += most) {
    const int samples = std::min(most, batch - first);
    const T* images = x + first * g.in.size();
    const T* gradients = dy + first * g.out.size();
    // Left: panels of tallest() channels by positions, or, if merged, the images themselves. Right: panels of filters.
    pool.parallel_for(g.groups * (panels.count() + left_tasks), [&](int task, int) {
      const int group = task % g.groups, part = task / g.groups;
      if (part < panels.count()) {
        const int from = part * panels.width, columns = std::min(panels.width, filters - from);
        pack_weights(false, columns, tiles.lanes, samples * map, gradients + group * filters + from, g.out.channels,
                     right + (group * panels.count() + part) * panels.size());
      } else if (merged) {
        const int sample = part - panels.count();
        if (sample >= samples) return;
        T* to = left + sample * image * channels;
        const T* from = images + sample * g.in.size();
        for (int i = 0; i < g.in.height; ++i) {
          std::fill_n(to, win.pad_left * channels, T{0}), to += win.pad_left * channels;
          std::copy_n(from, g.in.width * channels, to), to += g.in.width * channels, from += g.in.width * channels;
          std::fill_n(to, win.pad_right * channels, T{0}), to += win.pad_right * channels;
        }
      } else {
        const int begin = (part - panels.count()) * tiles.tallest();
        for (int c = begin, end = std::min(begin + tiles.tallest(), channels), height; c < end; c += height) {
          height = tiles.rows(tiles.fit(end - c));
          const int positions = static_cast<int>(samples * image);
          pack_panel(true, height, positions, images + group * channels + c, g.in.channels, height,
                     left + (group * channels + c) * most * image);
        }
      }
    });

    pool.parallel_for(g.groups * parts * taps, [&](int task, int worker) {
      const int group = task % g.groups, part = task / g.groups % parts, tap = task / g.groups / parts;
      const int kh = merged ? tap : tap / win.kernel_w, kw = merged ? 0 : tap % win.kernel_w;
      T* mine = each + worker * (pairs_size + small_size<T>);
      T* edge_tile = mine + pairs_size;
      Pair* list = reinterpret_cast<Pair*>(mine);
      const IndexRange rows = outputs_under(kh, win.stride_h, win.dilation_h, win.pad_top, g.in.height, g.out.height);
      const IndexRange columns =
          merged ? IndexRange{0, g.out.width}
                 : outputs_under(kw, win.stride_w, win.dilation_w, win.pad_left, g.in.width, g.out.width);
      int count = 0;
      for (int n = 0; n < samples; ++n)
        for (int i = rows.first; i < rows.end; ++i) {
          const std::int64_t row = n * g.in.height + i * win.stride_h - win.pad_top + kh * win.dilation_h;
          for (int j = columns.first; j < columns.end; ++j) {
            const int column = j * win.stride_w + (merged ? 0 : kw * win.dilation_w - win.pad_left);
            list[count++] = {static_cast<std::int32_t>(row * width + column),
                             static_cast<std::int32_t>((n * g.out.height + i) * g.out.width + j)};
          }
        }
      T* to = dw + static_cast<std::int64_t>(tap) * kernel_rows * g.out.channels + group * filters;
      // A panel of both sides stays in L1. For an empty list one empty block writes the zeros.
      for (int block = 0; block == 0 || block < count; block += block_k) {
        const int depth = std::min(block_k, count - block);
        const bool add = first > 0 || block > 0;
        const int last = std::min((part + 1) * panels_at_once, panels.count());
        for (int p = part * panels_at_once; p < last; ++p) {
          const int from = p * panels.width, wanted = std::min(panels.width, filters - from);
          const int vectors = wanted > tiles.lanes ? 2 : 1, wide = vectors * tiles.lanes;
          const T* b = right + (group * panels.count() + p) * panels.size();
          for (int c = 0, height; c < kernel_rows; c += height) {
            const int within = merged ? c : c % tiles.tallest();
            const int size = tiles.fit(std::min(kernel_rows - c, merged ? kernel_rows : tiles.tallest() - within));
            height = tiles.rows(size);
            const T* a = merged ? left + c : left + (group * channels + c) * most * image;
            const int distance = merged ? channels : height;
            T* out = to + static_cast<std::int64_t>(c) * g.out.channels + from;
            if (wanted == wide) {
              tiles.run[size][vectors - 1](a, distance, b, list + block, depth, out, g.out.channels, add);
              continue;
            }
            for (int r = 0; r < height; ++r) std::copy_n(out + r * g.out.channels, wanted, edge_tile + r * wide);
            tiles.run[size][vectors - 1](a, distance, b, list + block, depth, edge_tile, wide, add);
            for (int r = 0; r < height; ++r) std::copy_n(edge_tile + r * wide, wanted, out + r * g.out.channels);
          }
        }
      }
    });
  }
}

}  // namespace strata::inline STRATA_ABI::cpu::detail
