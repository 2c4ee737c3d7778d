// SPDX-License-Identifier: BSL-1.0
// Sums over rows for each channel: BatchNorm's statistics and gradients, and gradients of biases. x, dy (rows,channels).
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu_bf16/convert.hpp>
#include <strata/backend/cpu_bf16/sizes.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu::bf16::detail {

// Adds sums over rows to totals, for each channel: of dy or, without it, of x or (x - mean)^2; with dy also of dy (x -
// mean). In float within a block of rows and in double from block to block.
template <bool Gradient>
struct RowSumsKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const Bf16* x, const Bf16* dy, const float* mean, std::int64_t rows, int channels,
                                double* totals, double* products) {
    using numbers = vector<float, Bytes>;
    constexpr int lanes = lanes_of<float, Bytes>, block = 512;
    for (std::int64_t first = 0; first < rows; first += block) {
      const std::int64_t end = std::min(rows, first + block);
      int c = 0;
      for (; c + lanes <= channels; c += lanes) {
        numbers centre{}, sum{}, product{};
        if (mean) load(centre, mean + c);
        for (std::int64_t r = first; r < end; ++r) {
          numbers v;
          load_wide<Bytes>(v, x + r * channels + c);
          v -= centre;
          if constexpr (Gradient) {
            numbers g;
            load_wide<Bytes>(g, dy + r * channels + c);
            sum += g, product += g * v;
          } else {
            sum += mean ? v * v : v;
          }
        }
        for (int l = 0; l < lanes; ++l) {
          totals[c + l] += static_cast<double>(sum[l]);
          if (Gradient) products[c + l] += static_cast<double>(product[l]);
        }
      }
      for (; c < channels; ++c) {
        const float centre = mean ? mean[c] : 0.f;
        float sum = 0, product = 0;
        for (std::int64_t r = first; r < end; ++r) {
          const float v = static_cast<float>(x[r * channels + c]) - centre;
          if constexpr (Gradient) {
            const float g = static_cast<float>(dy[r * channels + c]);
            sum += g, product += g * v;
          } else {
            sum += mean ? v * v : v;
          }
        }
        totals[c] += static_cast<double>(sum);
        if (Gradient) products[c] += static_cast<double>(product);
      }
    }
  }
  using table = versions<RowSumsKernel, const Bf16*, const Bf16*, const float*, std::int64_t, int, double*, double*>;
};

// Calls f(share, first row, rows) for each share, in threads.
template <class F>
void for_row_shares(std::int64_t rows, ThreadPool& pool, const F& f) {
  const int shares = row_shares(rows);
  const std::int64_t each = (rows + shares - 1) / shares;
  pool.parallel_for(shares, [=, &f](int share, int) {
    const std::int64_t first = share * each;
    if (first < rows) f(share, first, std::min(each, rows - first));
  });
}

// sums: the totals, and behind them the products, of all rows; room for two numbers a channel in each share.
template <bool Gradient>
void sum_channels(std::int64_t rows, int channels, const Bf16* x, const Bf16* dy, const float* mean, double* sums,
                  ThreadPool& pool) {
  const std::int64_t each = std::int64_t{2} * channels, shares = row_shares(rows);
  const auto run = RowSumsKernel<Gradient>::table::of(cpu::detail::path_for<float>(channels, cpu::detail::Rest::slow));
  std::fill_n(sums, shares * each, 0.0);
  for_row_shares(rows, pool, [=](int share, std::int64_t first, std::int64_t count) {
    double* mine = sums + share * each;
    run(x + first * channels, dy ? dy + first * channels : nullptr, mean, count, channels, mine, mine + channels);
  });
  for (std::int64_t share = 1; share < shares; ++share)
    for (std::int64_t i = 0; i < each; ++i) sums[i] += sums[share * each + i];
}

// scratch: row_sums_scratch().
inline void sum_rows(std::int64_t rows, int channels, const Bf16* x, float* sums, ThreadPool& pool, float* scratch) {
  auto* all = reinterpret_cast<double*>(cpu::detail::at_cache_line(scratch));
  sum_channels<false>(rows, channels, x, nullptr, nullptr, all, pool);
  for (int c = 0; c < channels; ++c) sums[c] = static_cast<float>(all[c]);
}

}  // namespace strata::inline STRATA_ABI::cpu::bf16::detail
