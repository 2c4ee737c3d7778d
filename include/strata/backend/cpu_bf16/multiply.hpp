// SPDX-License-Identifier: BSL-1.0
// Products of a block of rows with packed panels, and what is done with the sums.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu_bf16/convert.hpp>
#include <strata/backend/cpu_bf16/kernels.hpp>
#include <strata/backend/cpu_bf16/sizes.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu::bf16::detail {

// Takes pieces of scratch, each at a cache line.
class Scratch {
 public:
  explicit Scratch(float* at) : at_(cpu::detail::at_cache_line(at)) {}
  float* floats(std::int64_t n) {
    float* const piece = at_;
    at_ += whole_lines(n);
    return piece;
  }
  Bf16* halves(std::int64_t n) {
    float* const piece = at_;
    at_ += floats_of(n);
    return reinterpret_cast<Bf16*>(piece);
  }

 private:
  float* at_;
};

// c (rows, columns) = [c +] a (rows, depth) b, whose panels follow each other, each `panel_depth` deep. edge: room for
// (rows, panel_width).
inline void multiply(PanelProduct product, int rows, int columns, int depth, const Bf16* a, std::int64_t stride_a,
                     const Bf16* b, std::int64_t panel_depth, float* c, std::int64_t stride_c, bool add, float* edge) {
  for (int j = 0; j < columns; j += panel_width) {
    const int width = std::min(panel_width, columns - j);
    const Bf16* panel = b + j * panel_depth;
    const bool whole = width == panel_width;
    for (int k = 0; k < depth; k += block_depth)
      product(a + k, stride_a, rows, panel + std::int64_t{k} * panel_width, std::min(block_depth, depth - k),
              whole ? c + j : edge, whole ? stride_c : panel_width, (whole && add) || k > 0);
    if (whole) continue;
    for (int i = 0; i < rows; ++i) {
      float* to = c + i * stride_c + j;
      const float* from = edge + i * panel_width;
      for (int n = 0; n < width; ++n) to[n] = add ? to[n] + from[n] : from[n];
    }
  }
}

// Rounds rows of sums, plus a bias or not, rectified or not.
struct RoundRowsKernel {
  template <int Bytes>
  STRATA_INLINE static void run(std::int64_t rows, int columns, const float* sums, std::int64_t stride, const float* bias,
                                bool relu, Bf16* y, std::int64_t stride_y) {
    using numbers = vector<float, Bytes>;
    constexpr int lanes = lanes_of<float, Bytes>;
    const numbers zero{};
    for (; rows > 0; --rows, sums += stride, y += stride_y) {
      int c = 0;
      for (; c + lanes <= columns; c += lanes) {
        numbers v, b;
        load(v, sums + c);
        if (bias) load(b, bias + c), v += b;
        if (relu) v = v < zero ? zero : v;  // keeps NaN
        store_rounded<Bytes>(y + c, v);
      }
      for (; c < columns; ++c) {
        const float v = bias ? sums[c] + bias[c] : sums[c];
        y[c] = Bf16(relu && v < 0 ? 0.f : v);
      }
    }
  }
  using table =
      versions<RoundRowsKernel, std::int64_t, int, const float*, std::int64_t, const float*, bool, Bf16*, std::int64_t>;
};
inline void round_rows(std::int64_t rows, int columns, const float* sums, std::int64_t stride, const float* bias, bool relu,
                       Bf16* y, std::int64_t stride_y) {
  RoundRowsKernel::table::of(cpu::detail::path_now())(rows, columns, sums, stride, bias, relu, y, stride_y);
}

}  // namespace strata::inline STRATA_ABI::cpu::bf16::detail
