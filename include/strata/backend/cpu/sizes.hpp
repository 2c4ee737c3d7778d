// SPDX-License-Identifier: BSL-1.0
// How much scratch each kernel needs, and the sizes of its blocks that this follows from. A model's plan is made of them at
// compile time, so they are constexpr, and apart from the kernels.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu/picked_layout.hpp>
#include <strata/backend/cpu/ranges.hpp>
#include <strata/backend/cpu/winograd_plan.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu {

namespace detail {

// Elements of a vector.
template <class T, int Bytes>
inline constexpr int lanes_of = Bytes / static_cast<int>(sizeof(T));
// Parts of scratch begin at a cache line.
inline constexpr int line = 64;
template <class T>
inline constexpr int panel_most = 2 * lanes_of<T, 64>;  // the widest panel

// Column k of the left operand begins at a + left * distance; the right operand's is row `right` of its panel.
struct Pair {
  std::int32_t left, right;
};

// ---- Matrix products ----

// Blocks: a packed panel of B, block_k deep, stays in L1 (32 KB with AVX-512); a packed block of A (240 KB) and one of B
// (768 KB) in L2.
inline constexpr int block_k = 256, block_m = 240, block_n = 768, most_rows = 12, pack_group = 4, large_bytes = 2 << 20;
template <class T>
inline constexpr int most_columns = 128 / static_cast<int>(sizeof(T));

}  // namespace detail

// Scratch, in elements, that gemm needs on any path. It never decreases for a larger m, n or k.
template <class T>
constexpr std::int64_t gemm_scratch(int m, int n, int k) {
  const std::int64_t depth = std::min(k, detail::block_k);
  const std::int64_t rows = std::min(m, detail::block_m) + detail::most_rows;
  const std::int64_t columns =
      std::min(n, m <= detail::block_m ? 2 * detail::pack_group * detail::most_columns<T> : detail::block_n) +
      detail::most_columns<T>;
  constexpr std::int64_t slack = detail::line / static_cast<int>(sizeof(T));  // parts begin at a cache line
  return depth * (rows + columns) + detail::most_rows * detail::most_columns<T> + 3 * slack;
}

namespace detail {

// ---- Skinny products ----

// The depth is cut into this many shares, independent of the number of threads. Each has its own sums, which are added in
// order.
inline constexpr int depth_shares = 16;
inline constexpr int skinny_rows = 32;
constexpr std::int64_t skinny_scratch(int rows, int units) {
  return static_cast<std::int64_t>(depth_shares) * rows * units + line;
}

// A convolution with at most skinny_rows positions in the whole batch, tap by tap: a tap's weights are multiplied with the
// positions that have a real element under it.
constexpr bool conv_is_skinny(const Geometry& g, int batch) {
  return batch * static_cast<std::int64_t>(g.out.height) * g.out.width <= skinny_rows && g.in.channels / g.groups >= 16;
}

// ---- Convolutions by im2col ----

// Output positions of the whole batch handled at once.
inline constexpr int patch_rows = 144;

// Taps of the weights' gradient handled at once: whole kernel positions, up to 384 rows, but at least a few shares, because
// otherwise one thread would do a small kernel alone.
constexpr int positions_at_once(const Geometry& g) {
  const int positions = g.window.kernel_h * g.window.kernel_w, fit = 384 / (g.in.channels / g.groups);
  return std::max(1, std::min(fit, (positions + 3) / 4));
}

inline constexpr int weight_rows = 256;
template <class T>
constexpr std::int64_t patches_scratch(const Geometry& g) {
  const int taps = static_cast<int>(g.taps()), filters = g.out.channels / g.groups;
  const int slice = positions_at_once(g) * (g.in.channels / g.groups);
  const std::int64_t forward = static_cast<std::int64_t>(patch_rows) * taps + gemm_scratch<T>(patch_rows, filters, taps);
  const std::int64_t input = static_cast<std::int64_t>(patch_rows) * taps + gemm_scratch<T>(patch_rows, taps, filters);
  const std::int64_t weights =
      static_cast<std::int64_t>(weight_rows) * slice + gemm_scratch<T>(slice, filters, weight_rows);
  return std::max(forward, std::max(input, weights));
}

// ---- Convolutions without im2col ----

// Rows and panels of a task: enough to reuse the second-level cache often, few enough that every core has tasks.
inline constexpr int rows_at_once = 96, panels_at_once = 8;

// A right operand in panels of `width` columns, each `rows` rows and one more for the bias.
struct Panels {
  int columns, width, rows;
  [[nodiscard]] constexpr int count() const { return (columns + width - 1) / width; }
  [[nodiscard]] constexpr std::int64_t size() const { return static_cast<std::int64_t>(width) * (rows + 1); }
  // Those of a task.
  [[nodiscard]] constexpr IndexRange part(int task) const {
    return {task * panels_at_once, std::min((task + 1) * panels_at_once, count())};
  }
  // The largest size, for any path.
  template <class T>
  static constexpr std::int64_t most(int columns, std::int64_t rows) {
    return (columns + panel_most<T> - 1) / panel_most<T> * panel_most<T> * (rows + 1);
  }
};

template <class T>
inline constexpr std::int64_t kept_size = static_cast<std::int64_t>(rows_at_once) * panels_at_once * panel_most<T>;
template <class T>
inline constexpr std::int64_t small_size = 12 * panel_most<T>;

// Few channels make short spans; then one im2col patch per position is faster.
constexpr bool by_patches(const Geometry& g) { return g.in.channels / g.groups < 12; }
// A patch is a position of x itself.
constexpr bool is_pointwise(const Geometry& g) {
  const Window& w = g.window;
  return w.kernel_h == 1 && w.kernel_w == 1 && w.stride_h == 1 && w.stride_w == 1 && g.groups == 1 &&
         g.in.height == g.out.height && g.in.width == g.out.width;
}
// With fewer samples, those that share a position do not fill a tile.
inline constexpr int direct_batch = 8;
// A tile's rows are positions of the output, whose patches are gathered first.
constexpr bool gathers(const Geometry& g, int batch) { return by_patches(g) || is_pointwise(g) || batch < direct_batch; }
// The positions of a row of the output are a tile's rows, over a copy of the input's rows with their padding, which costs
// less than a patch for each position. A narrow map leaves rests that do not fill a tile, and a low one has too few tasks.
constexpr bool goes_along_rows(const Geometry& g) {
  return !is_pointwise(g) && g.out.width >= (g.groups > 1 ? 6 : by_patches(g) ? 8 : 24) && g.out.height >= 4;
}
struct RowsPlan {
  int outputs, inputs, width;  // rows of the output in a task, the input's rows under them, columns of these
  explicit constexpr RowsPlan(const Geometry& g)
      : outputs(rows_of_task(g)),
        inputs((outputs - 1) * g.window.stride_h + (g.window.kernel_h - 1) * g.window.dilation_h + 1),
        width((g.out.width - 1) * g.window.stride_w + (g.window.kernel_w - 1) * g.window.dilation_w + 1) {}
  [[nodiscard]] constexpr std::int64_t size(const Geometry& g) const {
    return static_cast<std::int64_t>(inputs) * width * g.in.channels;
  }

 private:
  static constexpr int rows_of_task(const Geometry& g) {
    constexpr std::int64_t enough = 200'000;  // multiplications, beside which starting a task costs little
    const std::int64_t row = g.out.width * g.taps() * g.out.channels;
    return static_cast<int>(std::min<std::int64_t>(std::max<std::int64_t>(4, enough / row), g.out.height));
  }
};
// Elements of the filters in panels of this width, or in the largest on any path.
constexpr std::int64_t packed_filters(const Geometry& g, int width) {
  const Panels panels{g.out.channels / g.groups, width, static_cast<int>(g.taps())};
  return g.groups * panels.count() * panels.size();
}
template <class T>
constexpr std::int64_t most_packed_filters(const Geometry& g) {
  return g.groups * Panels::most<T>(g.out.channels / g.groups, g.taps());
}
// Up to this many rows, tasks are panels and not rows.
inline constexpr int few_rows = 256;
template <class T>
constexpr std::int64_t packed_forward_scratch(const Geometry& g, bool gathered, int threads) {
  const std::int64_t rows = std::max(few_rows, threads * rows_at_once);
  const std::int64_t gather = !gathered || is_pointwise(g) ? 0
                              : goes_along_rows(g)         ? threads * RowsPlan(g).size(g)
                                                           : rows * g.taps();
  return threads * kept_size<T> + gather;
}
template <class T>
constexpr std::int64_t direct_forward_scratch(const Geometry& g, int threads) {
  return most_packed_filters<T>(g) + packed_forward_scratch<T>(g, by_patches(g), threads) + line;
}

template <class T>
constexpr std::int64_t direct_input_scratch(const Geometry& g, int threads) {
  const std::int64_t rows = static_cast<std::int64_t>(g.window.kernel_h) * g.window.kernel_w * g.out.channels / g.groups;
  return g.groups * Panels::most<T>(g.in.channels / g.groups, rows) + threads * kept_size<T> + line;
}

// The weights' gradient takes a few samples at a time: about this many positions of the output.
inline constexpr int positions_of_chunk = 288;
constexpr int samples_of_chunk(const Geometry& g, int batch) {
  const int map = g.out.height * g.out.width;
  return std::max(1, std::min(batch, positions_of_chunk / map));
}

// With few channels a tile's rows go along a kernel row, over a copy of x with padded columns.
constexpr bool along_kernel_row(const Geometry& g) {
  return g.in.channels < 12 && g.groups == 1 && g.window.dilation_w == 1;
}

constexpr int padded_width(const Geometry& g) {
  return along_kernel_row(g) ? g.in.width + g.window.pad_left + g.window.pad_right : g.in.width;
}
template <class T>
constexpr std::int64_t direct_weights_scratch(const Geometry& g, int batch, int threads) {
  const std::int64_t samples = samples_of_chunk(g, batch), map = static_cast<std::int64_t>(g.out.height) * g.out.width;
  const std::int64_t left = samples * g.in.height * padded_width(g) * g.in.channels;
  const std::int64_t right = g.groups * Panels::most<T>(g.out.channels / g.groups, samples * map);
  const std::int64_t pairs = samples * map * static_cast<std::int64_t>(sizeof(Pair) / sizeof(T));
  return left + right + threads * (pairs + small_size<T>)+2 * line;
}

// ---- Batch normalization ----

// Shares of the rows: enough for many threads, and each worth a task.
constexpr int norm_shares(Shape in, int batch) {
  return static_cast<int>(std::clamp<std::int64_t>(batch * in.size() / 16384, 1, 32));
}
// Doubles.
constexpr std::int64_t norm_sums(Shape in, int batch) { return std::int64_t{2} * in.channels * norm_shares(in, batch); }

// ---- Depthwise convolutions ----

inline constexpr int depthwise_most_taps = 256;
// With fewer filters no vector is full.
template <class T>
constexpr bool is_depthwise(const Geometry& g) {
  return g.groups > 1 && g.groups == g.in.channels && g.out.channels >= lanes_of<T, 16> &&
         g.out.channels <= 4 * g.in.channels &&  // else most of the work is repeating the map
         g.window.kernel_h * g.window.kernel_w <= depthwise_most_taps;
}
// The map of a sample with as many channels as filters; none if it has as many.
constexpr std::int64_t depthwise_repeated(const Geometry& g) {
  return g.in.channels == g.out.channels ? 0 : static_cast<std::int64_t>(g.in.height) * g.in.width * g.out.channels;
}
template <class T>
constexpr std::int64_t depthwise_sums(const Geometry& g) {
  return static_cast<std::int64_t>(g.window.kernel_h) * g.window.kernel_w * g.out.channels + lanes_of<T, 64>;
}
// The batch is cut so that there are tasks enough for few channels.
constexpr int depthwise_shares(const Geometry& g, int batch) { return std::max(1, std::min(batch, 256 / g.out.channels)); }
template <class T>
constexpr std::int64_t depthwise_scratch(const Geometry& g, int batch, int threads) {
  return depthwise_shares(g, batch) * depthwise_sums<T>(g) + threads * (depthwise_sums<T>(g) + depthwise_repeated(g));
}

// ---- Convolutions by Winograd ----

// The most tiles of a task: a panel of weights is used often, and left factors stay in the second-level cache.
inline constexpr int tiles_at_once = 72;

// The distance of arrays that are read together: not one that maps them to the same cache lines.
constexpr std::int64_t winograd_apart(std::int64_t size) { return size + line; }

// Zeros for the columns of a row outside.
constexpr std::int64_t winograd_zeros(const WinogradPlan& plan, int channels) {
  return std::int64_t{winograd_points} * plan.columns.stride * channels;
}

// Scratch of a task: zeros for elements outside, partial sums, left factors at a point of the rows, their products, sums of
// these, what RowSums keeps.
template <class T>
constexpr std::int64_t winograd_task_scratch(const Geometry& g) {
  const WinogradPlan plan(g);
  const std::int64_t products = plan.columns.points() * winograd_apart(tiles_at_once * g.out.channels),
                     sums = plan.rows.points() * plan.columns.outputs * winograd_apart(tiles_at_once * g.out.channels);
  return winograd_zeros(plan, g.in.channels) + winograd_points * g.in.channels + tiles_at_once * plan.most_depth() +
         products + sums + kept_size<T>;
}

// The sums of weights.
template <class T>
constexpr std::int64_t winograd_filters(const Geometry& g) {
  const WinogradPlan plan(g);
  std::int64_t weights = line;
  for (int a = 0; a < plan.rows.points(); ++a)
    for (int b = 0; b < plan.columns.points(); ++b) weights += Panels::most<T>(g.out.channels, plan.depth(a, b));
  return weights;
}
template <class T>
constexpr std::int64_t winograd_scratch(const Geometry& g, int threads) {
  return winograd_filters<T>(g) + threads * winograd_task_scratch<T>(g);
}

template <class T>
constexpr std::int64_t winograd_input_scratch(const Geometry& g, int threads) {
  return g.taps() * g.out.channels + winograd_scratch<T>(turned(g), threads);
}

// The gradient of the weights (conv_winograd_weights.hpp). A panel of both factors of so many tiles stays in the
// first-level cache.
inline constexpr int winograd_depth = 128;
// The tiles whose sums are made before they are multiplied: these stay in the second-level cache (2 MB of floats). There
// are more if the sums over tiles are so many that reading them takes longer than reading the factors.
constexpr int winograd_tiles_at_once(const Geometry& g, int batch) {
  const WinogradPlan plan(g);
  const std::int64_t all = batch * static_cast<std::int64_t>(plan.tiles), channels = g.in.channels,
                     filters = g.out.channels;
  const std::int64_t most = std::max<std::int64_t>({winograd_depth, channels * filters / (channels + filters),
                                                    (1 << 16) / (plan.most_depth() + plan.columns.points() * filters)});
  const std::int64_t blocks = (all + most - 1) / most;
  return blocks == 0 ? 0 : static_cast<int>((all + blocks - 1) / blocks);
}
// Channels whose gradients are computed at once.
constexpr int winograd_channels_at_once(const Geometry& g) { return std::max(1, 512 / g.out.channels); }
// Each thread keeps zeros for elements outside, partial sums, and a tile for the edge.
template <class T>
constexpr std::int64_t winograd_weights_task_scratch(const Geometry& g) {
  const int longest = std::max(g.in.channels, g.out.channels);
  const std::int64_t rows = winograd_zeros(WinogradPlan(g), longest) + winograd_points * longest;
  const std::int64_t gradients =
      std::int64_t{winograd_points} * winograd_taps * winograd_channels_at_once(g) * g.out.channels;
  return std::max(rows, gradients) + small_size<T>;
}
template <class T>
constexpr std::int64_t winograd_weights_scratch(const Geometry& g, int batch, int threads) {
  const WinogradPlan plan(g);
  const std::int64_t tiles = winograd_tiles_at_once(g, batch), channels = g.in.channels + panel_most<T>,
                     filters = g.out.channels + panel_most<T>;
  return plan.products() * g.in.channels * g.out.channels +
         tiles * (plan.rows.phases() * plan.columns.products() * channels + plan.columns.points() * filters) + 2 * line +
         threads * winograd_weights_task_scratch<T>(g);
}

// ---- Dense layers ----

// Columns of a task. Each task packs the other operand, so that there are as few tasks as keep the threads evenly busy. The
// bits are independent of how columns are cut.
inline constexpr int dense_least = 256, dense_most = 1024, dense_few = 64;

// Up to this many samples are a skinny product.
inline constexpr int skinny_samples = 7;
template <class T>
constexpr std::int64_t dense_gemm_scratch(int in, int units, int batch) {
  const int largest = std::max(std::max(in, units), batch);
  const int block = std::min(dense_most, std::max(in, units));
  return std::max(gemm_scratch<T>(batch, block, largest), gemm_scratch<T>(block, units, batch));
}

}  // namespace detail

// ---- What the entry points ask for, in elements ----

template <class T>
constexpr std::int64_t conv_scratch(const Geometry& g, int batch, int threads) {
  if (detail::is_depthwise<T>(g)) {
    // The path `eigen` has no kernel for it.
    return std::max(detail::depthwise_scratch<T>(g, batch, threads), threads * detail::patches_scratch<T>(g));
  }
  // A batch below the capacity may be computed another way.
  const std::int64_t map = static_cast<std::int64_t>(g.out.height) * g.out.width;
  const auto rows = static_cast<int>(std::min<std::int64_t>(batch * map, detail::skinny_rows));
  const std::int64_t few = std::max({threads * detail::patches_scratch<T>(g), detail::skinny_scratch(rows, g.out.channels),
                                     detail::is_pointwise(g) ? detail::direct_forward_scratch<T>(g, threads) : 0});
  if (batch < detail::direct_batch) return few;
  return std::max({few, detail::direct_forward_scratch<T>(g, threads), detail::direct_input_scratch<T>(g, threads),
                   detail::direct_weights_scratch<T>(g, batch, threads),
                   detail::winograd_pays(g, batch) ? detail::winograd_scratch<T>(g, threads) : 0,
                   detail::winograd_weights_pay(g, batch) ? detail::winograd_weights_scratch<T>(g, batch, threads) : 0,
                   detail::winograd_input_pays(g, batch) ? detail::winograd_input_scratch<T>(g, threads) : 0});
}

// Whether the list is faster than the dense kernels, and fits the memory of the dense gradient.
constexpr bool conv_pool_applies(const Geometry& conv, const Geometry& pool) {
  return conv.groups == 1 && pool.out.size() * 4 <= conv.out.size() &&
         (conv.in.channels >= 16 || conv.window.dilation_w == 1);
}

template <class T>
constexpr std::int64_t conv_pool_scratch(const Geometry& conv, int batch, int threads) {
  std::int64_t most = 0;
  for (const int bytes : {16, 32, 64})
    most = std::max(most, detail::picked_scratch_with<T>(conv, bytes / static_cast<int>(sizeof(T)), batch, threads));
  return most;
}

// The weights of a convolution in a model for inference: scale and shift, then depthwise filters, or packed ones and, if
// they pay for a batch of this capacity, Winograd's.
template <class T>
constexpr std::int64_t packed_conv(const Geometry& g, int capacity) {
  if (detail::is_depthwise<T>(g)) return 2 * g.out.channels + detail::line + g.taps() * g.out.channels;
  return 2 * g.out.channels + detail::line + detail::most_packed_filters<T>(g) +
         (detail::winograd_pays_packed(g, capacity) ? detail::winograd_filters<T>(g) : 0);
}
template <class T>
constexpr std::int64_t conv_inference_scratch(const Geometry& g, int batch, int threads) {
  return std::max({conv_scratch<T>(g, batch, threads), detail::packed_forward_scratch<T>(g, true, threads) + detail::line,
                   detail::winograd_pays_packed(g, batch) ? threads * detail::winograd_task_scratch<T>(g) : 0});
}

template <class T>
constexpr std::int64_t batch_norm_scratch(Shape in, int batch) {
  return (detail::norm_sums(in, batch) + 2 * in.channels) * static_cast<std::int64_t>(sizeof(double) / sizeof(T)) +
         (4 + std::int64_t{3} * detail::norm_shares(in, batch)) * in.channels + detail::line;
}

template <class T>
constexpr std::int64_t dense_scratch(int in, int units, int batch, int threads) {
  return std::max<std::int64_t>(threads * detail::dense_gemm_scratch<T>(in, units, batch),
                                detail::skinny_scratch(std::min(batch, detail::skinny_samples), units));
}

}  // namespace strata::inline STRATA_ABI::cpu
