// SPDX-License-Identifier: BSL-1.0
// Convolutions in fewer multiplications (Toom, Cook; Winograd 1980; Lavin, Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2015): m neighbouring outputs of r taps need m + r - 1 products of a sum of inputs and a sum of weights, not
// m r, and tiles of m by m outputs save on both axes. Where the stride is s, the taps p, p + s, p + 2s, ... are a small
// kernel of their own over every s-th input, a phase; products at the same point are summed over phases and channels before
// they become outputs. So a kernel of 5 with stride 2 takes 121 products for 16 outputs, not 400.
//
// The sums are of terms that cancel each other. Root mean square errors are 0.8e-7 of the largest output with tiles of two
// by two and 2e-7 to 4e-7 with larger ones; an infinity may make NaN of all outputs of its tile.
//
// x (N,H,W,C), w (KH,KW,C,F), y (N,H',W',F); one group.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include <strata/backend/cpu/conv_direct.hpp>
#include <strata/backend/cpu/tiles.hpp>
#include <strata/core/window.hpp>

namespace strata::cpu::detail {

// The most taps of a phase, outputs of a tile on one axis, and points that these take.
inline constexpr int winograd_taps = 3, winograd_outputs = 4, winograd_points = winograd_taps + winograd_outputs - 1;

// One axis: phases, tiles of neighbouring outputs, the points at which products are taken.
class WinogradAxis {
 public:
  int kernel, stride;
  int outputs = 2;  // of a tile

  // The tile that needs fewest products for `size` outputs.
  constexpr WinogradAxis(int size, int taps, int step) : kernel(taps), stride(step) {
    for (int other = outputs + 1; other <= winograd_outputs; ++other)
      if (tiles(size, other) * products(other) < tiles(size) * products()) outputs = other;
  }

  [[nodiscard]] constexpr int tiles(int size) const { return tiles(size, outputs); }
  [[nodiscard]] constexpr int phases() const { return std::min(kernel, stride); }
  [[nodiscard]] constexpr int taps(int phase) const { return (kernel - phase + stride - 1) / stride; }
  [[nodiscard]] constexpr int points() const { return points(0); }
  // A phase of fewer taps has fewer points: the first ones, and the last. As many inputs are under a tile.
  [[nodiscard]] constexpr int points(int phase) const { return outputs + taps(phase) - 1; }
  [[nodiscard]] constexpr int point(int phase, int i) const { return i < points(phase) - 1 ? i : points() - 1; }
  [[nodiscard]] constexpr bool has(int phase, int point) const {
    return point < points(phase) - 1 || point == points() - 1;
  }
  // Phases that have this point, of those before `end`.
  [[nodiscard]] constexpr int phases_at(int point, int end) const {
    int count = 0;
    for (int p = 0; p < end; ++p) count += has(p, point);
    return count;
  }
  [[nodiscard]] constexpr int phases_at(int point) const { return phases_at(point, phases()); }
  // Of a tile.
  [[nodiscard]] constexpr int products() const { return products(outputs); }

 private:
  [[nodiscard]] static constexpr int tiles(int size, int tile) { return (size + tile - 1) / tile; }
  [[nodiscard]] constexpr int products(int tile) const { return kernel + phases() * (tile - 1); }
};

// The three matrices of an axis: what inputs, weights and products are multiplied by. Rows are filled up with zeros.
template <class T>
class WinogradFactors {
 public:
  using Row = std::array<T, winograd_points>;
  using Matrix = std::array<Row, winograd_points>;

  explicit WinogradFactors(const WinogradAxis& axis) {
    // The last point is infinity. Of fractions that a float holds, these lose least: against 0, 1, -1, 2, -2 the error is
    // halved. Tiles of two outputs need no others than 0, 1, -1.
    constexpr double few[] = {0, 1, -1}, many[] = {0, 0.75, -0.75, 1.5, -1.5};
    const double* at = axis.outputs == 2 ? few : many;
    for (int taps = 1; taps <= axis.taps(0); ++taps) {
      const int finite = axis.outputs + taps - 2;
      for (int point = 0; point <= finite; ++point) {
        // The product of (x - at[k]) over the other points.
        std::array<double, winograd_points + 1> polynomial{1};
        double norm = 1;
        for (int k = 0; k < finite; ++k) {
          if (k == point) continue;
          for (int i = winograd_points; i > 0; --i)
            polynomial[index(i)] = polynomial[index(i - 1)] - at[k] * polynomial[index(i)];
          polynomial[0] *= -at[k];
          if (point < finite) norm *= at[point] - at[k];
        }
        for (int i = 0; i < winograd_points; ++i)
          inputs_[index(taps)][index(point)][index(i)] = static_cast<T>(polynomial[index(i)]);
        for (int j = 0; j < taps; ++j)
          weights_[index(taps)][index(point)][index(j)] =
              static_cast<T>(point < finite ? std::pow(at[point], j) / norm : static_cast<double>(j == taps - 1));
      }
    }
    for (int point = 0, last = axis.points() - 1; point <= last; ++point)
      for (int k = 0; k < axis.outputs; ++k)
        outputs_[index(k)][index(point)] =
            static_cast<T>(point < last ? std::pow(at[point], k) : static_cast<double>(k == axis.outputs - 1));
  }

  // A row a point, of phases with so many taps; a row an output.
  [[nodiscard]] const Row* inputs(int taps) const { return inputs_[index(taps)].data(); }
  [[nodiscard]] const Row* weights(int taps) const { return weights_[index(taps)].data(); }
  [[nodiscard]] const Row* outputs() const { return outputs_.data(); }

 private:
  static constexpr std::size_t index(int i) { return static_cast<std::size_t>(i); }
  std::array<Matrix, winograd_taps + 1> inputs_{}, weights_{};
  Matrix outputs_{};
};

struct WinogradPlan {
  WinogradAxis rows, columns;
  int channels, tiles_w, tiles;

  explicit constexpr WinogradPlan(const Geometry& g)
      : rows(g.out.height, g.window.kernel_h, g.window.stride_h),
        columns(g.out.width, g.window.kernel_w, g.window.stride_w),
        channels(g.in.channels),
        tiles_w(columns.tiles(g.out.width)),
        tiles(rows.tiles(g.out.height) * tiles_w) {}

  // Products that are summed at a point of both axes.
  [[nodiscard]] constexpr int depth(int row_point, int column_point) const {
    return rows.phases_at(row_point) * columns.phases_at(column_point) * channels;
  }
  // At a point of the rows, all those of the columns. Each phase has point 0.
  [[nodiscard]] constexpr std::int64_t most_depth() const {
    return static_cast<std::int64_t>(rows.phases()) * columns.products() * channels;
  }
  // Where those of a phase begin.
  [[nodiscard]] constexpr int offset(int row_phase, int row_point, int column_phase, int column_point) const {
    return (rows.phases_at(row_point, row_phase) * columns.phases_at(column_point) +
            columns.phases_at(column_point, column_phase)) *
           channels;
  }
  // Of a tile, for each channel and filter.
  [[nodiscard]] constexpr std::int64_t products() const {
    return static_cast<std::int64_t>(rows.products()) * columns.products();
  }
};

constexpr bool winograd_applies(const Geometry& g) {
  const Window& w = g.window;
  return g.groups == 1 && w.dilation_h == 1 && w.dilation_w == 1 && w.kernel_h <= winograd_taps * w.stride_h &&
         w.kernel_w <= winograd_taps * w.stride_w;
}

// Whether it is worth it. The sums of inputs and of products take their time, so each number made must serve many, and of
// the multiplications, padding left out, 7 in 16 must be saved; what a batch saves must pay for the sums of weights too.
// Measured.
constexpr bool winograd_pays(const Geometry& g, int batch) {
  if (!winograd_applies(g)) return false;
  const std::int64_t channels = g.in.channels, filters = g.out.channels;
  if (channels * filters < 20 * (channels + filters)) return false;
  // Taps on real elements, over all outputs of an axis.
  const auto taps = [](int outputs, int stride, int kernel, int before, int size) {
    std::int64_t sum = 0;
    for (int i = 0; i < outputs; ++i) {
      const Taps t = taps_on(i, stride, 1, kernel, before, size);
      sum += t.end - t.first;
    }
    return sum;
  };
  const Window& w = g.window;
  const WinogradPlan plan(g);
  const std::int64_t products = plan.tiles * plan.products(),
                     direct = taps(g.out.height, w.stride_h, w.kernel_h, w.pad_top, g.in.height) *
                              taps(g.out.width, w.stride_w, w.kernel_w, w.pad_left, g.in.width);
  return 16 * products <= 9 * direct && batch * (direct - products) >= 40 * plan.products();
}

// Sums of winograd_points rows, each with factors of its own: to[i] = bias + sum of factors[i][k] * from[k], rectified
// where asked. Where to[i] is null, that sum is not wanted; rows that are not there have a factor of zero, but are read.
template <class T>
struct WinogradSum {
  std::array<const T*, winograd_points> from;
  std::array<T*, winograd_points> to;
  const typename WinogradFactors<T>::Row* factors;
  int count;
  const T* bias = nullptr;
  bool relu = false;
};
// Of `blocks` blocks of rows of n numbers: in each, `from` and `to` begin so much after those of the one before.
template <class T>
struct WinogradSumKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const WinogradSum<T>& sum, int n, int blocks, std::int64_t from_step,
                                std::int64_t to_step) {
    using V = vector<T, Bytes>;
    constexpr int lanes = lanes_of<T, Bytes>, step = 2 * lanes;
    // In registers: what is stored might be these.
    const auto* factors = sum.factors;
    const auto count = static_cast<std::size_t>(sum.count);
    const T* bias = sum.bias;
    const bool relu = sum.relu;
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
          if (relu) {
            const V zero{};
            a = a < zero ? zero : a, b = b < zero ? zero : b;  // keeps NaN
          }
          store(sum.to[p] + to + at, a), store(sum.to[p] + to + at + lanes, b);
        }
      }
      for (int i = 0; n < step && i < n; ++i)
        for (std::size_t p = 0; p < count; ++p) {
          if (!sum.to[p]) continue;
          T a = bias ? bias[i] : T{0};
          for (std::size_t k = 0; k < winograd_points; ++k) a += factors[p][k] * sum.from[k][from + i];
          sum.to[p][to + i] = relu && a < T{0} ? T{0} : a;
        }
    }
  }
  using table = versions<WinogradSumKernel, const WinogradSum<T>&, int, int, std::int64_t, std::int64_t>;
};

// Tiles a task takes at most: a panel of weights serves often, left factors stay in the second-level cache.
inline constexpr int tiles_at_once = 72;

// Distance of arrays that are read together: not a multiple of what maps them to the same lines of the cache.
constexpr std::int64_t winograd_apart(std::int64_t size) { return size + line; }

// Numbers of a task: zeros for what lies outside, sums on their way, left factors at a point of the rows, their products,
// sums of these, what RowSums keeps.
template <class T>
constexpr std::int64_t winograd_task_scratch(const Geometry& g) {
  const WinogradPlan plan(g);
  const std::int64_t products = plan.columns.points() * winograd_apart(tiles_at_once * g.out.channels),
                     sums = plan.rows.points() * plan.columns.outputs * winograd_apart(tiles_at_once * g.out.channels);
  return (1 + winograd_points) * g.in.channels + tiles_at_once * plan.most_depth() + products + sums + kept_size<T>;
}

template <class T>
constexpr std::int64_t winograd_scratch(const Geometry& g, int threads) {
  const WinogradPlan plan(g);
  std::int64_t weights = 0;
  for (int a = 0; a < plan.rows.points(); ++a)
    for (int b = 0; b < plan.columns.points(); ++b) weights += Panels::most<T>(g.out.channels, plan.depth(a, b));
  return weights + threads * winograd_task_scratch<T>(g) + line;
}

// A tile's upper left output.
struct WinogradTile {
  std::int64_t sample;
  int row, column;
};

// What is made of numbers before and after the products.
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
        const int taps_h = plan_.rows.taps(ph), taps_w = plan_.columns.taps(pw);
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

  // Left factors of one tile at a point of the rows, to[b] at those of the columns. zeros: a row; partial: winograd_points.
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

  // Of one tile at a point of the rows: from products at all points of the columns to sums for each output, both so far
  // apart.
  void fold(const T* products, T* sums, std::int64_t apart) const {
    WinogradSum<T> sum{.from = {}, .to = {}, .factors = columns_.outputs(), .count = plan_.columns.outputs};
    for (int b = 0; b < winograd_points; ++b) sum.from[index(b)] = products + (b < plan_.columns.points() ? b : 0) * apart;
    for (int j = 0; j < plan_.columns.outputs; ++j) sum.to[index(j)] = sums + j * apart;
    run(sum, g_.out.channels);
  }

  // The outputs of one tile, from its sums at all points of the rows. bias may be null.
  void outputs(const WinogradTile& tile, const T* sums, std::int64_t apart, const T* bias, bool relu, T* y) const {
    T* image = y + tile.sample * g_.out.size();
    for (int j = 0; j < std::min(plan_.columns.outputs, g_.out.width - tile.column); ++j) {
      WinogradSum<T> sum{
          .from = {}, .to = {}, .factors = rows_.outputs(), .count = plan_.rows.outputs, .bias = bias, .relu = relu};
      for (int a = 0; a < winograd_points; ++a)
        sum.from[index(a)] = sums + ((a < plan_.rows.points() ? a : 0) * plan_.columns.outputs + j) * apart;
      for (int i = 0; i < plan_.rows.outputs; ++i) {
        const std::int64_t place = (tile.row + i) * static_cast<std::int64_t>(g_.out.width) + tile.column + j;
        sum.to[index(i)] = tile.row + i < g_.out.height ? image + place * g_.out.channels : nullptr;
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

template <class T>
void winograd_forward(const Geometry& g, int batch, const T* x, const T* w, const T* bias, bool relu, T* y,
                      ThreadPool& pool, T* scratch) {
  const KernelPath path = path_now();
  const TileSet<T, RowsTile> tiles(path);
  const WinogradPlan plan(g);
  const Winograd<T> winograd(g, plan, path);
  const int filters = g.out.channels, points_h = plan.rows.points(), points_w = plan.columns.points();

  struct Point {
    Panels panels;
    T* packed;
  };
  std::array<std::array<Point, winograd_points>, winograd_points> points;
  const auto at = [&](int a, int b) -> Point& { return points[static_cast<std::size_t>(a)][static_cast<std::size_t>(b)]; };
  T* end = aligned(scratch);
  for (int a = 0; a < points_h; ++a)
    for (int b = 0; b < points_w; ++b) {
      at(a, b) = {{filters, tiles.width, plan.depth(a, b)}, end};
      end += at(a, b).panels.count() * at(a, b).panels.size();
    }
  const int panels = at(0, 0).panels.count();
  pool.parallel_for(panels, [&](int panel, int) {
    const int from = panel * tiles.width, columns = std::min(tiles.width, filters - from);
    winograd.weights(w + from, columns, columns > tiles.lanes ? tiles.width : tiles.lanes,
                     [&](int a, int b) { return at(a, b).packed + panel * at(a, b).panels.size(); });
  });

  const std::int64_t all = static_cast<std::int64_t>(batch) * plan.tiles;
  const std::int64_t most = std::min<std::int64_t>(tiles_at_once, (all + pool.size() - 1) / pool.size());
  const std::int64_t blocks = (all + most - 1) / most, share = (all + blocks - 1) / blocks;
  pool.parallel_for(static_cast<int>((all + share - 1) / share), [&](int task, int worker) {
    const std::int64_t first = task * share;
    const int count = static_cast<int>(std::min(share, all - first));
    const std::int64_t apart = winograd_apart(static_cast<std::int64_t>(count) * filters);
    T* zeros = end + worker * winograd_task_scratch<T>(g);
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
        for (int part = 0; part * panels_at_once < panels; ++part) {
          const Point& point = at(a, b);
          RowSums<T> product(tiles, point.panels, point.packed, part, kept);
          product.begin(left[static_cast<std::size_t>(b)], point.panels.rows, count, products + b * apart, filters, false,
                        false);
          product.add(0, 0, point.panels.rows);
          product.end();
        }
      for (int t = 0; t < count; ++t) {
        const std::int64_t tile = static_cast<std::int64_t>(t) * filters;
        winograd.fold(products + tile, sums + a * plan.columns.outputs * apart + tile, apart);
      }
    }
    for (int t = 0; t < count; ++t)
      winograd.outputs(own[static_cast<std::size_t>(t)], sums + static_cast<std::int64_t>(t) * filters, apart, bias, relu,
                       y);
  });
}

// Where the stride is 1, the input's gradient is a convolution of dy, by w turned round and with channels for filters.
constexpr Geometry turned(const Geometry& g) {
  Geometry t = g;
  t.in = g.out, t.out = g.in;
  Window& w = t.window;
  w.pad_top = w.kernel_h - 1 - w.pad_top, w.pad_bottom = w.kernel_h - 1 - w.pad_bottom;
  w.pad_left = w.kernel_w - 1 - w.pad_left, w.pad_right = w.kernel_w - 1 - w.pad_right;
  return t;
}
constexpr bool turns(const Geometry& g) { return g.window.stride_h == 1 && g.window.stride_w == 1; }
constexpr bool winograd_input_pays(const Geometry& g, int batch) { return turns(g) && winograd_pays(turned(g), batch); }

template <class T>
constexpr std::int64_t winograd_input_scratch(const Geometry& g, int threads) {
  return g.taps() * g.out.channels + winograd_scratch<T>(turned(g), threads);
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
  winograd_forward(turned(g), batch, dy, turned_w, no_bias, false, dx, pool, scratch + positions * each);
}

}  // namespace strata::cpu::detail
