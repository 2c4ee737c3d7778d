// SPDX-License-Identifier: BSL-1.0
// The plan of Winograd's convolutions (conv_winograd.hpp): their matrices, the size of their tiles, and when they pay.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <strata/backend/cpu/ranges.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu::detail {

// The most taps of a phase, outputs of a tile on one axis, and points for these.
inline constexpr int winograd_taps = 3, winograd_outputs = 4, winograd_points = winograd_taps + winograd_outputs - 1;

// One axis: phases, tiles of neighbouring outputs, the points at which products are taken.
class WinogradAxis {
 public:
  int kernel, stride;
  int outputs = 2;  // of a tile

  // Chooses the tile that needs fewest products for `size` outputs.
  constexpr WinogradAxis(int size, int taps, int step) : kernel(taps), stride(step) {
    for (int other = outputs + 1; other <= winograd_outputs; ++other)
      if (tiles(size, other) * products(other) < tiles(size) * products()) outputs = other;
  }

  [[nodiscard]] constexpr int tiles(int size) const { return tiles(size, outputs); }
  [[nodiscard]] constexpr int phases() const { return std::min(kernel, stride); }
  [[nodiscard]] constexpr int taps(int phase) const { return (kernel - phase + stride - 1) / stride; }
  [[nodiscard]] constexpr int points() const { return points(0); }
  // A phase with fewer taps has fewer points: the first ones and the last. A tile has as many inputs.
  [[nodiscard]] constexpr int points(int phase) const { return outputs + taps(phase) - 1; }
  [[nodiscard]] constexpr int point(int phase, int i) const { return i < points(phase) - 1 ? i : points() - 1; }
  [[nodiscard]] constexpr bool has(int phase, int point) const {
    return point < points(phase) - 1 || point == points() - 1;
  }
  // How many phases before `end` have this point.
  [[nodiscard]] constexpr int phases_at(int point, int end) const {
    int count = 0;
    for (int p = 0; p < end; ++p) count += has(p, point);
    return count;
  }
  [[nodiscard]] constexpr int phases_at(int point) const { return phases_at(point, phases()); }
  // The count for a tile.
  [[nodiscard]] constexpr int products() const { return products(outputs); }

 private:
  [[nodiscard]] static constexpr int tiles(int size, int tile) { return (size + tile - 1) / tile; }
  [[nodiscard]] constexpr int products(int tile) const { return kernel + phases() * (tile - 1); }
};

// The three matrices of an axis, for inputs, weights and products. Rows are filled up with zeros.
template <class T>
class WinogradFactors {
 public:
  using Row = std::array<T, winograd_points>;
  struct Matrix {
    std::array<Row, winograd_points> rows{};
    std::uint64_t mask = 0;  // bit winograd_points * i + k: rows[i][k] is not zero
  };

  explicit WinogradFactors(const WinogradAxis& axis) {
    // The last point is infinity. Among fractions that a float holds exactly, these lose least: half of the error of 0, 1,
    // -1, 2, -2. Tiles of two outputs only need 0, 1, -1.
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
          inputs_[index(taps)].rows[index(point)][index(i)] = static_cast<T>(polynomial[index(i)]);
        for (int j = 0; j < taps; ++j)
          weights_[index(taps)].rows[index(point)][index(j)] =
              static_cast<T>(point < finite ? std::pow(at[point], j) / norm : static_cast<double>(j == taps - 1));
      }
    }
    for (int point = 0, last = axis.points() - 1; point <= last; ++point)
      for (int k = 0; k < axis.outputs; ++k)
        outputs_.rows[index(k)][index(point)] =
            static_cast<T>(point < last ? std::pow(at[point], k) : static_cast<double>(k == axis.outputs - 1));
    gradients_ = transposed(outputs_);
    for (std::size_t taps = 0; taps < weights_.size(); ++taps) {
      weight_gradients_[taps] = transposed(weights_[taps]);
      for (Matrix* m : {&inputs_[taps], &weights_[taps], &weight_gradients_[taps]}) mark(*m);
    }
    mark(outputs_), mark(gradients_);
  }

  // A row for each point, of phases with `taps` taps; outputs() has a row for each output.
  [[nodiscard]] const Matrix* inputs(int taps) const { return &inputs_[index(taps)]; }
  [[nodiscard]] const Matrix* weights(int taps) const { return &weights_[index(taps)]; }
  [[nodiscard]] const Matrix* outputs() const { return &outputs_; }
  // The transposes of outputs() and weights(): a row for each point, and for each tap.
  [[nodiscard]] const Matrix* gradients() const { return &gradients_; }
  [[nodiscard]] const Matrix* weight_gradients(int taps) const { return &weight_gradients_[index(taps)]; }

 private:
  static constexpr std::size_t index(int i) { return static_cast<std::size_t>(i); }
  static Matrix transposed(const Matrix& m) {
    Matrix t{};
    for (std::size_t i = 0; i < m.rows.size(); ++i)
      for (std::size_t j = 0; j < m.rows.size(); ++j) t.rows[j][i] = m.rows[i][j];
    return t;
  }
  static void mark(Matrix& m) {
    for (std::size_t i = 0; i < m.rows.size(); ++i)
      for (std::size_t j = 0; j < m.rows.size(); ++j)
        if (m.rows[i][j] != T{0}) m.mask |= std::uint64_t{1} << (i * winograd_points + j);
  }
  std::array<Matrix, winograd_taps + 1> inputs_{}, weights_{}, weight_gradients_{};
  Matrix outputs_{}, gradients_{};
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

  // How many products are summed at a point of both axes.
  [[nodiscard]] constexpr int depth(int row_point, int column_point) const {
    return rows.phases_at(row_point) * columns.phases_at(column_point) * channels;
  }
  // At a point of the rows, over all points of the columns. Each phase has point 0.
  [[nodiscard]] constexpr std::int64_t most_depth() const {
    return static_cast<std::int64_t>(rows.phases()) * columns.products() * channels;
  }
  // Where the products of a phase begin.
  [[nodiscard]] constexpr int offset(int row_phase, int row_point, int column_phase, int column_point) const {
    return (rows.phases_at(row_point, row_phase) * columns.phases_at(column_point) +
            columns.phases_at(column_point, column_phase)) *
           channels;
  }
  // The count for a tile, for each channel and filter.
  [[nodiscard]] constexpr std::int64_t products() const {
    return static_cast<std::int64_t>(rows.products()) * columns.products();
  }
};

constexpr bool winograd_applies(const Geometry& g) {
  const Window& w = g.window;
  return g.groups == 1 && w.dilation_h == 1 && w.dilation_w == 1 && w.kernel_h <= winograd_taps * w.stride_h &&
         w.kernel_w <= winograd_taps * w.stride_w;
}

// Whether it is faster. The sums of inputs and of products take time too, so that each sum must serve many products, and 7
// in 16 of the multiplications (without padding) must be saved. A batch must also save the time for the sums of weights,
// or for reading them.
// The limits are measured.
constexpr bool winograd_pays(const Geometry& g, int batch, bool packed = false) {
  if (!winograd_applies(g)) return false;
  const std::int64_t channels = g.in.channels, filters = g.out.channels;
  if (channels * filters < 20 * (channels + filters)) return false;
  // Taps on real elements, over all outputs of an axis.
  const auto taps = [](int outputs, int stride, int kernel, int before, int size) {
    std::int64_t sum = 0;
    for (int i = 0; i < outputs; ++i) {
      const IndexRange t = taps_on(i, stride, 1, kernel, before, size);
      sum += t.end - t.first;
    }
    return sum;
  };
  const Window& w = g.window;
  const WinogradPlan plan(g);
  const std::int64_t products = plan.tiles * plan.products(),
                     direct = taps(g.out.height, w.stride_h, w.kernel_h, w.pad_top, g.in.height) *
                              taps(g.out.width, w.stride_w, w.kernel_w, w.pad_left, g.in.width);
  const std::int64_t sums = packed ? 20 * (plan.products() - w.kernel_h * w.kernel_w) : 40 * plan.products();
  return 16 * products <= 9 * direct && batch * (direct - products) >= sums;
}
// With the sums of weights at hand, which are only read.
constexpr bool winograd_pays_packed(const Geometry& g, int batch) { return winograd_pays(g, batch, true); }

// The gradient of the weights needs as many products, and sums over tiles become gradients as weights become sums.
constexpr bool winograd_weights_pay(const Geometry& g, int batch) { return winograd_pays(g, batch); }

// If the stride is 1, the input's gradient is a convolution of dy with w rotated by 180 degrees, its filters being
// channels.
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

}  // namespace strata::inline STRATA_ABI::cpu::detail
