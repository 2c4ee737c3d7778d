// SPDX-License-Identifier: BSL-1.0
// Group normalization, and layer normalization as that of rows. A task is some groups of samples, or, for the gradients of
// gamma and beta, a block of channels. x (N,area,C). gamma and beta may be null: the layer has none.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/batch_norm.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu {

namespace detail {

// The groups of (N,area,C).
struct GroupedRows {
  std::int64_t samples, area;
  int channels, groups;
  [[nodiscard]] std::int64_t width() const { return channels / groups; }

  // Calls f(row's element, channel) at the first element of each row of group `g`, in all samples' order.
  template <class F>
  void for_rows_of(std::int64_t g, F&& f) const {
    const std::int64_t channel = g % groups * width(), first = g / groups * area * channels + channel;
    for (std::int64_t r = 0; r < area; ++r) f(first + r * channels, channel);
  }
  // Calls f(g) for the groups of all samples, from several threads.
  template <class F>
  void for_each_group(ThreadPool& pool, F&& f) const {
    for_elements(samples * groups, pool, f, std::max<std::int64_t>(1, 16384 / (area * width())));
  }
};

// The sum over [0, n) of what sum(first, count) gives: in T within a block, in double from block to block.
template <class F>
double sum_of_blocks(std::int64_t n, F&& sum) {
  constexpr std::int64_t block = 1024;
  double all = 0;
  for (std::int64_t first = 0; first < n; first += block)
    all += static_cast<double>(sum(first, std::min(block, n - first)));
  return all;
}

}  // namespace detail

// mean, inverse_deviation (N,groups)
template <class T>
void group_norm_forward(std::int64_t samples, std::int64_t area, int channels, int groups, T epsilon, const T* x,
                        const T* gamma, const T* beta, T* mean, T* inverse_deviation, T* y, ThreadPool& pool) {
  const detail::GroupedRows rows{samples, area, channels, groups};
  const std::int64_t width = rows.width();
  rows.for_each_group(pool, [=](std::int64_t g) {
    const double n = static_cast<double>(area * width);
    double sum = 0, squares = 0;
    rows.for_rows_of(g, [&](std::int64_t at, std::int64_t) {
      sum += detail::sum_of_blocks(
          width, [&](std::int64_t first, std::int64_t count) { return ConstArray<T>(x + at + first, count).sum(); });
    });
    const T m = mean[g] = static_cast<T>(sum / n);
    rows.for_rows_of(g, [&](std::int64_t at, std::int64_t) {
      squares += detail::sum_of_blocks(width, [&](std::int64_t first, std::int64_t count) {
        return (ConstArray<T>(x + at + first, count) - m).square().sum();
      });
    });
    const T inverse = inverse_deviation[g] = static_cast<T>(1 / std::sqrt(squares / n + static_cast<double>(epsilon)));
    rows.for_rows_of(g, [&](std::int64_t at, std::int64_t c) {
      detail::scale_and_shift(Array<T>(y + at, width), (ConstArray<T>(x + at, width) - m) * inverse,
                              detail::element_of(gamma, c), detail::element_of(beta, c));
    });
  });
}

// With d = gamma dy: dx = (d - mean(d) - normalized x * mean(d * normalized x)) / stddev. dx may be dy, and null if it is
// not wanted; dgamma and dbeta may be null.
template <class T>
void group_norm_backward(std::int64_t samples, std::int64_t area, int channels, int groups, const T* x, const T* gamma,
                         const T* mean, const T* inverse_deviation, const T* dy, T* dx, T* dgamma, T* dbeta,
                         ThreadPool& pool) {
  const detail::GroupedRows rows{samples, area, channels, groups};
  const std::int64_t width = rows.width();
  if (dgamma || dbeta)
    for_chunks(
        channels, pool,
        [=](std::int64_t first, std::int64_t count) {
          if (dbeta)
            Array<T>(dbeta + first, count) = sum_rows<T, norm_block>(
                samples * area, count,
                [&](auto& sums, std::int64_t r) { sums += ConstArray<T>(dy + r * channels + first, count); });
          if (dgamma)
            Array<T>(dgamma + first,
                     count) = sum_rows<T, norm_block>(samples * area, count, [&](auto& sums, std::int64_t r) {
              // The channels of the block that are of one group.
              for (std::int64_t c = first, end = 0; c < first + count; c = end) {
                const std::int64_t g = c / width, at = r * channels + c, stat = r / area * groups + g;
                end = std::min(first + count, (g + 1) * width);
                sums.segment(c - first, end - c) += ConstArray<T>(dy + at, end - c) *
                                                    (ConstArray<T>(x + at, end - c) - mean[stat]) * inverse_deviation[stat];
              }
            });
        },
        norm_block);
  if (!dx) return;
  rows.for_each_group(pool, [=](std::int64_t g) {
    const T m = mean[g], inverse = inverse_deviation[g];
    double sum = 0, product = 0;
    const auto add = [&](std::int64_t at, const auto& d) {
      sum += static_cast<double>(d.sum());
      product += static_cast<double>((d * (ConstArray<T>(x + at, d.size()) - m)).sum());
    };
    constexpr std::int64_t block = 1024;
    rows.for_rows_of(g, [&](std::int64_t at, std::int64_t c) {
      for (std::int64_t first = 0; first < width; first += block) {
        const std::int64_t count = std::min(block, width - first);
        const ConstArray<T> gradient(dy + at + first, count);
        if (gamma)
          add(at + first, gradient * ConstArray<T>(gamma + c + first, count));
        else
          add(at + first, gradient);
      }
    });
    const double n = static_cast<double>(area * width);
    const T shift = static_cast<T>(sum / n), slope = static_cast<T>(product / n) * inverse * inverse;
    rows.for_rows_of(g, [&](std::int64_t at, std::int64_t c) {
      const ConstArray<T> gradient(dy + at, width), in(x + at, width);
      Array<T> to(dx + at, width);
      if (gamma)
        to = inverse * (gradient * ConstArray<T>(gamma + c, width) - shift - (in - m) * slope);
      else
        to = inverse * (gradient - shift - (in - m) * slope);
    });
  });
}

}  // namespace strata::inline STRATA_ABI::cpu
