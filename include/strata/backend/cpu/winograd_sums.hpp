// SPDX-License-Identifier: BSL-1.0
// The sums before and after the products of Winograd's convolutions (conv_winograd.hpp): of inputs, weights, products, and
// of gradients of the outputs and of the weights.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <strata/backend/cpu/simd.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/backend/cpu/winograd_plan.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>
#include <strata/model/chain.hpp>

namespace strata::inline STRATA_ABI::cpu::detail {

// Sums of winograd_points rows: to[i] = bias + sum of factors[i][k] * from[k], cut to the limits. If to[i] is null, that
// sum is left out. Rows whose factors are all zero may be read.
template <class T>
struct WinogradSum {
  std::array<const T*, winograd_points> from;
  std::array<T*, winograd_points> to;
  const typename WinogradFactors<T>::Matrix* factors;
  int count;
  int first = 0;  // row of the factors for to[0]
  const T* bias = nullptr;
  Limits limits = {};
};
// For `blocks` blocks of rows of n elements. From block to block `from` and `to` advance by from_step and to_step. Mask has
// a bit for each factor that may not be zero; the others are skipped.
template <class T, std::uint64_t Mask>
struct WinogradSumKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const WinogradSum<T>& sum, int n, int blocks, std::int64_t from_step,
                                std::int64_t to_step) {
    using V = vector<T, Bytes>;
    constexpr int lanes = lanes_of<T, Bytes>, step = 2 * lanes;
    // Local copies stay in registers; the compiler must assume that a store changes the members.
    const auto* factors = sum.factors->rows.data() + sum.first;
    const int count = sum.count;
    const T* bias = sum.bias;
    const Limits limits = sum.limits;
    const bool limited = limits.any();
    for (std::int64_t block = 0; block < blocks; ++block) {
      const std::int64_t from = block * from_step, to = block * to_step;
      for (int i = 0; n >= step && i < n; i += step) {
        const int at = std::min(i, n - step);
        vectors<V, 2>(sum, factors, count, bias ? bias + at : nullptr, limited, limits, from + at, to + at);
      }
      for (int i = 0; n < step && n >= lanes && i < n; i += lanes) {
        const int at = std::min(i, n - lanes);
        vectors<V, 1>(sum, factors, count, bias ? bias + at : nullptr, limited, limits, from + at, to + at);
      }
      for (int i = 0; n < lanes && i < n; ++i)
        for (std::size_t p = 0; p < static_cast<std::size_t>(count); ++p) {
          if (!sum.to[p]) continue;
          T a = bias ? bias[i] : T{0};
          for (std::size_t k = 0; k < winograd_points; ++k)
            if (has(p, k)) a += factors[p][k] * sum.from[k][from + i];
          sum.to[p][to + i] = limits.cut(a);
        }
    }
  }
  using table = versions<WinogradSumKernel, const WinogradSum<T>&, int, int, std::int64_t, std::int64_t>;

 private:
  static constexpr bool has(std::size_t p, std::size_t k) { return (Mask >> (p * winograd_points + k) & 1) != 0; }
  static constexpr bool reads(std::size_t k) {
    for (std::size_t p = 0; p < winograd_points; ++p)
      if (has(p, k)) return true;
    return false;
  }
  // Sums `Vectors` vectors of each row.
  template <class V, int Vectors>
  STRATA_INLINE static void vectors(const WinogradSum<T>& sum, const typename WinogradFactors<T>::Row* factors, int count,
                                    const T* bias, bool limited, Limits limits, std::int64_t from, std::int64_t to) {
    constexpr int lanes = sizeof(V) / sizeof(T);
    V rows[winograd_points][std::size_t{Vectors}], start[std::size_t{Vectors}]{};
    STRATA_UNROLL for (int v = 0; v < Vectors; ++v) {
      STRATA_UNROLL for (std::size_t k = 0; k < winograd_points; ++k) if (reads(k))
          load(rows[k][v], sum.from[k] + from + v * lanes);
      if (bias) load(start[v], bias + v * lanes);
    }
    STRATA_UNROLL for (std::size_t p = 0; p < winograd_points; ++p) {
      if (static_cast<int>(p) >= count) break;
      if (!sum.to[p]) continue;
      V sums[std::size_t{Vectors}];
      STRATA_UNROLL for (int v = 0; v < Vectors; ++v) sums[v] = start[v];
      STRATA_UNROLL for (std::size_t k = 0; k < winograd_points; ++k) {
        if (!has(p, k)) continue;
        const T factor = factors[p][k];
        STRATA_UNROLL for (int v = 0; v < Vectors; ++v) sums[v] += factor * rows[k][v];
      }
      STRATA_UNROLL for (int v = 0; v < Vectors; ++v) {
        if (limited) cut(sums[v], static_cast<T>(limits.low), static_cast<T>(limits.high));
        store(sum.to[p] + to + v * lanes, sums[v]);
      }
    }
  }
};

// Chooses a kernel: of tiles of four outputs and three taps, which are the most frequent, those that skip the zeros. A
// single sum reads only rows that have a factor, if these are few.
template <class T>
class WinogradSums {
 public:
  explicit WinogradSums(KernelPath path)
      : all_(of<all>(path)),
        inputs_(of<inputs>(path)),
        gradients_(of<gradients>(path)),
        three_(of<7>(path)),
        four_(of<15>(path)) {}

  void operator()(const WinogradSum<T>& sum, int n, int blocks = 1, std::int64_t from_step = 0,
                  std::int64_t to_step = 0) const {
    if (sum.count == 1 && !sum.bias && !sum.limits.any()) return one(sum, n, blocks, from_step, to_step);
    const std::uint64_t mask = sum.first == 0 ? sum.factors->mask : all;
    (mask == inputs ? inputs_ : mask == gradients ? gradients_ : all_)(sum, n, blocks, from_step, to_step);
  }

 private:
  using function = typename WinogradSumKernel<T, 0>::table::function;
  // Makes the mask of a matrix with a row for each of the points 0, 3/4, -3/4, 3/2, -3/2, infinity. Tiles of four outputs
  // and three taps have these points.
  static constexpr std::uint64_t rows(std::uint64_t zero, std::uint64_t others, std::uint64_t infinity) {
    std::uint64_t mask = zero | infinity << 5 * winograd_points;
    for (int p = 1; p < 5; ++p) mask |= others << p * winograd_points;
    return mask;
  }
  static constexpr std::uint64_t inputs = rows(0b010101, 0b011110, 0b101010),
                                 gradients = rows(0b000001, 0b001111, 0b001000), all = ~std::uint64_t{0};
  template <std::uint64_t Mask>
  static function of(KernelPath path) {
    return WinogradSumKernel<T, Mask>::table::of(path);
  }
  void one(const WinogradSum<T>& given, int n, int blocks, std::int64_t from_step, std::int64_t to_step) const {
    typename WinogradFactors<T>::Matrix factors;
    WinogradSum<T> sum{.from = {}, .to = given.to, .factors = &factors, .count = 1};
    const auto& row = given.factors->rows[static_cast<std::size_t>(given.first)];
    std::size_t terms = 0;
    for (std::size_t k = 0; k < winograd_points; ++k)
      if (row[k] != T{0}) factors.rows[0][terms] = row[k], sum.from[terms++] = given.from[k];
    for (std::size_t k = terms; k < winograd_points; ++k) factors.rows[0][k] = T{0}, sum.from[k] = given.from[0];
    (terms <= 3 ? three_ : terms == 4 ? four_ : all_)(sum, n, blocks, from_step, to_step);
  }

  function all_, inputs_, gradients_, three_, four_;
};

// A tile's upper left output.
struct WinogradTile {
  std::int64_t sample;
  int row, column;
};

// Where the sums of a tile go: `width` elements next to each other, then `width` more at a distance; and the distance from
// phase to phase.
struct WinogradRows {
  int width;
  std::int64_t apart, phase;
};

// The sums before and after the products.
template <class T>
class Winograd {
 public:
  using To = std::array<T*, winograd_points>;

  Winograd(const Geometry& g, const WinogradPlan& plan, KernelPath path)
      : g_(g), plan_(plan), rows_(plan.rows), columns_(plan.columns), kernel_(path) {}

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
        const int taps_h = plan_.rows.taps(ph), taps_w = std::min(plan_.columns.taps(pw), winograd_taps);
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

  // Left factors of one tile at a point of the rows; to[b] is for point b of the columns. zeros: winograd_zeros() elements;
  // partial: winograd_points rows.
  void inputs(int a, const WinogradTile& tile, const T* x, const T* zeros, T* partial, const To& to) const {
    inputs(a, tile, x, zeros, partial, to, {plan_.channels, 0, plan_.channels});
  }
  void inputs(int a, const WinogradTile& tile, const T* x, const T* zeros, T* partial, const To& to,
              const WinogradRows& rows) const {
    const T* image = x + tile.sample * g_.in.size();
    const int top = tile.row * plan_.rows.stride - g_.window.pad_top,
              left = tile.column * plan_.columns.stride - g_.window.pad_left, channels = plan_.channels;
    for (int ph = 0; ph < plan_.rows.phases(); ++ph) {
      if (!plan_.rows.has(ph, a)) continue;
      const int points_h = plan_.rows.points(ph);
      const int point = std::min(a, points_h - 1);
      for (int pw = 0; pw < plan_.columns.phases(); ++pw) {
        const int points_w = plan_.columns.points(pw);
        WinogradSum<T> sum{
            .from = {}, .to = {partial}, .factors = rows_.inputs(plan_.rows.taps(ph)), .count = 1, .first = point};
        for (int i = 0; i < winograd_points; ++i) {
          const int row = top + ph + i * plan_.rows.stride;
          sum.from[index(i)] = i < points_h && row >= 0 && row < g_.in.height
                                   ? image + static_cast<std::int64_t>(row) * g_.in.width * channels
                                   : nullptr;
        }
        along_row(sum, left + pw, plan_.columns.stride, points_w, g_.in.width, channels, zeros);
        sum.factors = columns_.inputs(plan_.columns.taps(pw)), sum.count = points_w, sum.first = 0;
        for (int j = 0; j < winograd_points; ++j)
          sum.from[index(j)] = j < points_w ? partial + static_cast<std::int64_t>(j) * channels : zeros;
        for (int j = 0; j < points_w; ++j) {
          const int b = plan_.columns.point(pw, j);
          sum.to[index(j)] = to[index(b)] + plan_.offset(ph, a, pw, b) / channels * rows.phase;
        }
        run(sum, channels, rows);
      }
    }
  }

  // Likewise of the gradient of the outputs: the transpose of fold() and outputs().
  void gradients(int a, const WinogradTile& tile, const T* dy, const T* zeros, T* partial, const To& to,
                 const WinogradRows& rows) const {
    const int filters = g_.out.channels;
    const T* image = dy + tile.sample * g_.out.size();
    WinogradSum<T> sum{.from = {}, .to = {partial}, .factors = rows_.gradients(), .count = 1, .first = a};
    for (int i = 0; i < winograd_points; ++i)
      sum.from[index(i)] = i < plan_.rows.outputs && tile.row + i < g_.out.height
                               ? image + static_cast<std::int64_t>(tile.row + i) * g_.out.width * filters
                               : nullptr;
    along_row(sum, tile.column, 1, plan_.columns.outputs, g_.out.width, filters, zeros);
    sum.factors = columns_.gradients(), sum.count = plan_.columns.points(), sum.first = 0;
    for (int j = 0; j < winograd_points; ++j)
      sum.from[index(j)] = j < plan_.columns.outputs ? partial + static_cast<std::int64_t>(j) * filters : zeros;
    sum.to = to;
    run(sum, filters, rows);
  }

  // Gradients of the weights of `count` channels from c on, from the sums over tiles at each point, at(a, b): rows of
  // filters. The transpose of weights(). partial: winograd_points * winograd_taps * count rows.
  template <class At>
  void weight_gradients(int c, int count, const At& at, T* partial, T* dw) const {
    const int filters = g_.out.channels, n = count * filters;
    const auto kept = [&](int i, int j) { return partial + static_cast<std::int64_t>(i * winograd_taps + j) * n; };
    for (int ph = 0; ph < plan_.rows.phases(); ++ph)
      for (int pw = 0; pw < plan_.columns.phases(); ++pw) {
        const int taps_h = plan_.rows.taps(ph), taps_w = plan_.columns.taps(pw);
        const int points_h = plan_.rows.points(ph), points_w = plan_.columns.points(pw);
        WinogradSum<T> sum{.from = {}, .to = {}, .factors = columns_.weight_gradients(taps_w), .count = taps_w};
        for (int i = 0; i < points_h; ++i) {
          const int a = plan_.rows.point(ph, i);
          for (int j = 0; j < winograd_points; ++j) {
            const int b = plan_.columns.point(pw, j < points_w ? j : 0);
            sum.from[index(j)] = at(a, b) + static_cast<std::int64_t>(plan_.offset(ph, a, pw, b) + c) * filters;
          }
          for (int j = 0; j < taps_w; ++j) sum.to[index(j)] = kept(i, j);
          run(sum, n);
        }
        sum.factors = rows_.weight_gradients(taps_h), sum.count = taps_h;
        for (int j = 0; j < taps_w; ++j) {
          for (int i = 0; i < winograd_points; ++i) sum.from[index(i)] = kept(i < points_h ? i : 0, j);
          for (int i = 0; i < taps_h; ++i) {
            const int kh = ph + i * plan_.rows.stride, kw = pw + j * plan_.columns.stride;
            sum.to[index(i)] =
                dw + ((static_cast<std::int64_t>(kh) * g_.window.kernel_w + kw) * g_.in.channels + c) * filters;
          }
          run(sum, n);
        }
      }
  }

  // For one tile at a point of the rows: from products at all points of the columns to sums for each output. Rows of both
  // are `apart` elements apart.
  void fold(const T* products, T* sums, std::int64_t apart) const {
    WinogradSum<T> sum{.from = {}, .to = {}, .factors = columns_.outputs(), .count = plan_.columns.outputs};
    for (int b = 0; b < winograd_points; ++b) sum.from[index(b)] = products + (b < plan_.columns.points() ? b : 0) * apart;
    for (int j = 0; j < plan_.columns.outputs; ++j) sum.to[index(j)] = sums + j * apart;
    run(sum, g_.out.channels);
  }

  // The outputs of one tile, from its sums at all points of the rows. bias may be null.
  void outputs(const WinogradTile& tile, const T* sums, std::int64_t apart, const T* bias, Limits limits, T* y,
               int stride) const {
    T* image = y + tile.sample * g_.out.height * g_.out.width * stride;
    WinogradSum<T> sum{
        .from = {}, .to = {}, .factors = rows_.outputs(), .count = plan_.rows.outputs, .bias = bias, .limits = limits};
    for (int a = 0; a < winograd_points; ++a)
      sum.from[index(a)] = sums + (a < plan_.rows.points() ? a : 0) * plan_.columns.outputs * apart;
    for (int i = 0; i < plan_.rows.outputs; ++i) {
      const std::int64_t place = (tile.row + i) * static_cast<std::int64_t>(g_.out.width) + tile.column;
      sum.to[index(i)] = tile.row + i < g_.out.height ? image + place * stride : nullptr;
    }
    kernel_(sum, g_.out.channels, std::min(plan_.columns.outputs, g_.out.width - tile.column), apart, stride);
  }

 private:
  static constexpr std::size_t index(int i) { return static_cast<std::size_t>(i); }
  void run(const WinogradSum<T>& sum, int n) const { kernel_(sum, n); }
  // Sums of rows at `count` columns, from column `first` on, `step` apart. sum.from[i]: the beginning of a row of `width`
  // positions, null for a row outside; a column may be outside too.
  void along_row(WinogradSum<T>& sum, int first, int step, int count, int width, int n, const T* zeros) const {
    const int before = first < 0 ? std::min(count, (step - 1 - first) / step) : 0;
    const int end = first >= width ? before : std::clamp((width - first + step - 1) / step, before, count);
    T* const to = sum.to[0];
    std::fill_n(to, static_cast<std::int64_t>(before) * n, T{0});
    std::fill_n(to + static_cast<std::int64_t>(end) * n, static_cast<std::int64_t>(count - end) * n, T{0});
    for (const T*& from : sum.from) from = from ? from + (first + static_cast<std::int64_t>(before) * step) * n : zeros;
    sum.to[0] += static_cast<std::int64_t>(before) * n;
    if (step == 1)
      run(sum, (end - before) * n);
    else
      kernel_(sum, n, end - before, static_cast<std::int64_t>(step) * n, n);
  }
  void run(WinogradSum<T>& sum, int n, const WinogradRows& rows) const {
    const int whole = n / rows.width, rest = n % rows.width;
    kernel_(sum, rows.width, whole, rows.width, rows.apart);
    if (rest == 0) return;
    for (int k = 0; k < winograd_points; ++k) sum.from[index(k)] += whole * rows.width;
    for (int k = 0; k < sum.count; ++k) sum.to[index(k)] += whole * rows.apart;
    run(sum, rest);
  }

  const Geometry& g_;
  const WinogradPlan& plan_;
  WinogradFactors<T> rows_, columns_;
  WinogradSums<T> kernel_;
};

}  // namespace strata::inline STRATA_ABI::cpu::detail
