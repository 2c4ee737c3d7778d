// SPDX-License-Identifier: BSL-1.0
// Group normalization, and layer normalization as that of rows. An index of the statistics is one group of one sample. x
// (N,area,C); parameters and statistics are Compute<T>. gamma and beta may be null: the layer has none.
#pragma once
#include <cmath>
#include <cstdint>

#include <strata/backend/cuda/batch_norm.hpp>
#include <strata/backend/cuda/reduce.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda {

namespace detail {

// The groups of (N,area,C).
struct GroupedRows {
  std::int64_t area;
  int channels, groups;

  STRATA_HOST_DEVICE constexpr int width() const { return channels / groups; }
  // The group of element i, counted over all samples.
  STRATA_HOST_DEVICE constexpr std::int64_t group_of(std::int64_t i) const {
    const std::int64_t row = quotient(i, channels), c = i - row * channels;
    return quotient(row, static_cast<int>(area)) * groups + quotient(c, width());
  }
  // Adds up term(element, channel, sums) over group g.
  template <std::size_t Sums, class C, class F>
  STRATA_HOST_DEVICE void sum(std::int64_t g, C (&sums)[Sums], F&& term) const {
    const std::int64_t sample = quotient(g, groups);
    const int channel = static_cast<int>(g - sample * groups) * width();
    const std::int64_t first = sample * area * channels + channel;
    sum_range(0, area * width(), sums, [&](std::int64_t k, C* to) {
      const std::int64_t row = quotient(k, width());
      const int c = static_cast<int>(k - row * width());
      term(first + row * channels + c, channel + c, to);
    });
  }
};

template <class T>
struct GroupStatistics {
  GroupedRows rows;
  Compute<T> epsilon;
  const T* x;
  Compute<T>*mean, *inverse_deviation;
  STRATA_HOST_DEVICE void operator()(std::int64_t g) const {
    using C = Compute<T>;
    const C n = static_cast<C>(rows.area * rows.width());
    C sums[1], squares[1];
    rows.sum(g, sums, [&](std::int64_t i, int, C* to) { to[0] += static_cast<C>(x[i]); });
    const C m = sums[0] / n;
    rows.sum(g, squares, [&](std::int64_t i, int, C* to) {
      const C d = static_cast<C>(x[i]) - m;
      to[0] += d * d;
    });
    mean[g] = m;
    inverse_deviation[g] = 1 / std::sqrt(squares[0] / n + epsilon);
  }
};
template <class T>
struct GroupNormForward {
  GroupedRows rows;
  const T* x;
  const Compute<T>*gamma, *beta, *mean, *inverse_deviation;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t g = rows.group_of(i);
    y[i] = T(scale_and_shift((static_cast<Compute<T>>(x[i]) - mean[g]) * inverse_deviation[g], gamma, beta,
                             remainder(i, rows.channels)));
  }
};

template <class T>
struct GroupNormGradients {
  GroupedRows rows;
  const T *x, *dy;
  const Compute<T>*mean, *inverse_deviation;
  STRATA_HOST_DEVICE void operator()(std::int64_t i, int, Compute<T>* sums) const {
    const auto gradient = static_cast<Compute<T>>(dy[i]);
    const std::int64_t g = rows.group_of(i);
    sums[0] += gradient;
    sums[1] += gradient * (static_cast<Compute<T>>(x[i]) - mean[g]) * inverse_deviation[g];
  }
};
// Either may be null.
template <class C>
struct StoreWantedGradients {
  C *dgamma, *dbeta;
  STRATA_HOST_DEVICE void operator()(int c, const C* sums) const {
    if (dbeta) dbeta[c] = sums[0];
    if (dgamma) dgamma[c] = sums[1];
  }
};
// means (N,groups,2): of gamma dy, and of that times the normalized x.
template <class T>
struct GroupMeans {
  GroupedRows rows;
  const T *x, *dy;
  const Compute<T>*gamma, *mean, *inverse_deviation;
  Compute<T>* means;
  STRATA_HOST_DEVICE void operator()(std::int64_t g) const {
    using C = Compute<T>;
    C sums[2];
    rows.sum(g, sums, [&](std::int64_t i, int c, C* to) {
      const C d = gamma ? static_cast<C>(dy[i]) * gamma[c] : static_cast<C>(dy[i]);
      to[0] += d;
      to[1] += d * (static_cast<C>(x[i]) - mean[g]) * inverse_deviation[g];
    });
    const C n = static_cast<C>(rows.area * rows.width());
    for (int k = 0; k < 2; ++k) means[2 * g + k] = sums[k] / n;
  }
};
template <class T>
struct GroupNormBackward {
  GroupedRows rows;
  const T *x, *dy;
  const Compute<T>*gamma, *mean, *inverse_deviation, *means;
  T* dx;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    using C = Compute<T>;
    const std::int64_t g = rows.group_of(i);
    const C d = gamma ? static_cast<C>(dy[i]) * gamma[remainder(i, rows.channels)] : static_cast<C>(dy[i]);
    const C normalized = (static_cast<C>(x[i]) - mean[g]) * inverse_deviation[g];
    dx[i] = T(inverse_deviation[g] * (d - means[2 * g] - normalized * means[2 * g + 1]));
  }
};

}  // namespace detail

// Elements of scratch, for backward.
constexpr std::int64_t group_norm_scratch(std::int64_t samples, std::int64_t area, int channels, int groups) {
  return row_sums_scratch(2, samples * area, channels) + 2 * samples * groups;
}

// mean, inverse_deviation (N,groups)
template <Run R, class T>
void group_norm_forward(R& run, std::int64_t samples, std::int64_t area, int channels, int groups, Compute<T> epsilon,
                        const T* x, const Compute<T>* gamma, const Compute<T>* beta, Compute<T>* mean,
                        Compute<T>* inverse_deviation, T* y) {
  const detail::GroupedRows rows{area, channels, groups};
  run(samples * groups, detail::GroupStatistics<T>{rows, epsilon, x, mean, inverse_deviation});
  run(samples * area * channels, detail::GroupNormForward<T>{rows, x, gamma, beta, mean, inverse_deviation, y});
}

// With d = gamma dy: dx = (d - mean(d) - normalized x * mean(d * normalized x)) / stddev. dx may be dy, and null if it is
// not wanted; dgamma and dbeta may be null.
template <Run R, class T>
void group_norm_backward(R& run, std::int64_t samples, std::int64_t area, int channels, int groups, const T* x,
                         const Compute<T>* gamma, const Compute<T>* mean, const Compute<T>* inverse_deviation, const T* dy,
                         T* dx, Compute<T>* dgamma, Compute<T>* dbeta, Compute<T>* scratch) {
  using C = Compute<T>;
  const detail::GroupedRows rows{area, channels, groups};
  if (dgamma || dbeta)
    detail::sum_rows<2>(run, samples * area, channels, scratch,
                        detail::GroupNormGradients<T>{rows, x, dy, mean, inverse_deviation},
                        detail::StoreWantedGradients<C>{dgamma, dbeta});
  if (!dx) return;
  C* means = scratch + row_sums_scratch(2, samples * area, channels);
  run(samples * groups, detail::GroupMeans<T>{rows, x, dy, gamma, mean, inverse_deviation, means});
  run(samples * area * channels, detail::GroupNormBackward<T>{rows, x, dy, gamma, mean, inverse_deviation, means, dx});
}

}  // namespace strata::inline STRATA_ABI::cuda
