// SPDX-License-Identifier: BSL-1.0
// Sums over the rows of (rows,channels) for each channel, in two stages: over shares of the rows, then over the shares. The
// shares follow from the number of rows alone, so that the same input gives the same bits. Adjacent indices are adjacent
// channels, so that they read adjacent memory.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <strata/backend/cuda/index.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda {

// Enough to fill a device, but few enough that an index of the second stage takes a few microseconds.
constexpr int row_shares(std::int64_t rows) { return static_cast<int>(std::clamp<std::int64_t>(rows / 32, 1, 512)); }

// Elements of scratch for `sums` sums of each channel.
constexpr std::int64_t row_sums_scratch(int sums, std::int64_t rows, int channels) {
  return std::int64_t{sums} * row_shares(rows) * channels;
}

namespace detail {

// Calls add(i, sums) for i in [first, end), with several partial sums in turn, so that reads need not wait for each other.
template <std::size_t Sums, class C, class F>
STRATA_HOST_DEVICE void sum_range(std::int64_t first, std::int64_t end, C (&sums)[Sums], F&& add) {
  constexpr int lanes = 16;
  C parts[lanes][Sums]{};
  for (; first + lanes <= end; first += lanes)
    for (int lane = 0; lane < lanes; ++lane) add(first + lane, parts[lane]);
  for (; first < end; ++first) add(first, parts[0]);
  for (std::size_t k = 0; k < Sums; ++k) {
    sums[k] = parts[0][k];
    for (int lane = 1; lane < lanes; ++lane) sums[k] += parts[lane][k];
  }
}

// scratch (Sums,shares,channels)
template <int Sums, class C, class Term>
struct SumShareOfRows {
  Term term;
  std::int64_t rows;
  int channels, shares;
  C* scratch;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t share = quotient(i, channels);
    const int c = static_cast<int>(i - share * channels);
    C sums[std::size_t{Sums}];
    sum_range(rows * share / shares, rows * (share + 1) / shares, sums,
              [&](std::int64_t r, C* to) { term(r * channels + c, c, to); });
    for (std::int64_t k = 0; k < Sums; ++k) scratch[k * shares * channels + i] = sums[k];
  }
};
template <int Sums, class C, class Use>
struct SumShares {
  Use use;
  int channels, shares;
  const C* scratch;
  STRATA_HOST_DEVICE void operator()(std::int64_t c) const {
    C sums[std::size_t{Sums}];
    sum_range(0, shares, sums, [&](std::int64_t share, C* to) {
      for (std::int64_t k = 0; k < Sums; ++k) to[k] += scratch[(k * shares + share) * channels + c];
    });
    use(static_cast<int>(c), sums);
  }
};

// term(i, c, sums) adds element i, of channel c, to its sums; use(c, sums) gets those of a whole channel.
template <int Sums, class C, class R, class Term, class Use>
void sum_rows(R& run, std::int64_t rows, int channels, C* scratch, const Term& term, const Use& use) {
  const int shares = row_shares(rows);
  run(std::int64_t{shares} * channels, SumShareOfRows<Sums, C, Term>{term, rows, channels, shares, scratch});
  run(channels, SumShares<Sums, C, Use>{use, channels, shares, scratch});
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI::cuda
