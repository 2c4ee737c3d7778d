// SPDX-License-Identifier: BSL-1.0
// Batch normalization. A task is a share of the rows, all channels of which are next to each other in memory; shares depend
// on the shape alone, and what they add up is added in their order. x (N,H,W,C). gamma and beta may be null: the layer has
// none. An activation behind the normalization is computed while a few rows are in the cache.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/norm_activation.hpp>
#include <strata/backend/cpu/norm_kernels.hpp>
#include <strata/backend/cpu/simd.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/model/engine.hpp>

namespace strata::inline STRATA_ABI::cpu {

inline constexpr std::int64_t norm_block = 16;

namespace detail {
// y = normalized * gamma + beta
template <class T, class Expression>
STRATA_INLINE void scale_and_shift(Array<T> y, const Expression& normalized, const T* gamma, const T* beta) {
  const std::int64_t n = y.size();
  if (gamma && beta)
    y = normalized * ConstArray<T>(gamma, n) + ConstArray<T>(beta, n);
  else if (gamma)
    y = normalized * ConstArray<T>(gamma, n);
  else if (beta)
    y = normalized + ConstArray<T>(beta, n);
  else
    y = normalized;
}
// The pointer to an element of an array that may be missing.
template <class T>
T* element_of(T* array, std::int64_t i) {
  return array ? array + i : nullptr;
}
}  // namespace detail

namespace detail {

// The share's rows, and the shares of all, which depend on the shape alone.
struct NormShares {
  std::int64_t rows;
  int count;
  std::int64_t each;
  NormShares(Shape in, int batch)
      : rows(batch * in.size() / in.channels), count(norm_shares(in, batch)), each((rows + count - 1) / count) {}
  [[nodiscard]] std::int64_t first(int share) const { return std::min(rows, share * each); }
  [[nodiscard]] std::int64_t size(int share) const { return std::min(each, rows - first(share)); }
};
// Calls f(share, first row, rows).
template <class F>
void for_shares(Shape in, int batch, ThreadPool& pool, F&& f) {
  const NormShares shares(in, batch);
  pool.parallel_for(shares.count, [&](int share, int) {
    if (const std::int64_t rows = shares.size(share); rows > 0) f(share, shares.first(share), rows);
  });
}
// Calls f(first, count) for a few rows at a time, which stay in the first-level cache.
template <class F>
void for_few_rows(std::int64_t rows, int channels, F&& f) {
  const std::int64_t few = std::max(1, 4096 / channels);
  for (std::int64_t first = 0; first < rows; first += few) f(first, std::min(few, rows - first));
}

// Sums of a share in double, from blocks of rows in T, because a float that has reached 2^24 does not change when 1 is
// added.
template <class T>
struct NormBlock {
  static constexpr std::int64_t rows = 512;
  int channels;
  T *sums, *products;
  void begin() const { std::fill_n(sums, 2 * channels, T{0}); }
  void end(double* total_sums, double* total_products) const {
    for (int c = 0; c < channels; ++c) {
      total_sums[c] += static_cast<double>(sums[c]);
      total_products[c] += static_cast<double>(products[c]);
    }
  }
};

// Scratch: for each share the sums of a channel and the products, as doubles; the same over all shares; numbers for each
// channel; and for each share the sums of a block and the mean of its first.
template <class T>
struct NormScratch {
  int channels;
  double *shares, *sums, *products;
  T *factor, *shift, *gradient, *slope, *blocks;
  NormScratch(Shape in, int batch, T* scratch)
      : channels(in.channels),
        shares(reinterpret_cast<double*>(at_cache_line(scratch))),
        sums(shares + norm_sums(in, batch)),
        products(sums + in.channels),
        factor(reinterpret_cast<T*>(products + in.channels)),
        shift(factor + in.channels),
        gradient(shift + in.channels),
        slope(gradient + in.channels),
        blocks(slope + in.channels) {}
  [[nodiscard]] double* sums_of(int share) const { return shares + std::int64_t{2} * share * channels; }
  [[nodiscard]] double* products_of(int share) const { return sums_of(share) + channels; }
  [[nodiscard]] T* mean_of(int share) const { return blocks + std::int64_t{3} * share * channels; }
  [[nodiscard]] NormBlock<T> block_of(int share) const {
    T* own = mean_of(share) + channels;
    return {channels, own, own + channels};
  }
};

// The sum of each channel, and the squares of its distances from the mean, in one pass over x. A share takes the distances
// from the mean of its first rows, since the squares of numbers far from 0 would lose the digits of their differences.
template <class T>
void sum_moments(Shape in, int batch, const T* x, const NormScratch<T>& work, ThreadPool& pool) {
  const int channels = in.channels;
  const auto run = RowSumsKernel<T, NormSums::moments>::table::of(path_for<T>(channels, Rest::slow));
  for_shares(in, batch, pool, [=](int share, std::int64_t first, std::int64_t rows) {
    const NormBlock<T> block = work.block_of(share);
    double *sums = work.sums_of(share), *squares = work.products_of(share);
    T* mean = work.mean_of(share);
    std::fill_n(sums, 2 * channels, 0.0);
    NormChannels<T> of;
    for (std::int64_t r = 0; r < rows; r += NormBlock<T>::rows) {
      const std::int64_t count = std::min(NormBlock<T>::rows, rows - r);
      const auto add = [&] {
        block.begin();
        for_few_rows(count, channels, [&](std::int64_t few, std::int64_t n) {
          run(x + (first + r + few) * channels, nullptr, of, n, channels, block.sums, block.products);
        });
      };
      if (r == 0) {
        add();
        for (int c = 0; c < channels; ++c) mean[c] = block.sums[c] / static_cast<T>(count);
        of.mean = mean;
      }
      add();
      block.end(sums, squares);
    }
    const double n = static_cast<double>(rows);
    for (int c = 0; c < channels; ++c) {
      squares[c] -= sums[c] * sums[c] / n;
      if (squares[c] < 0) squares[c] = 0;  // of equal numbers, by rounding
      sums[c] += n * static_cast<double>(mean[c]);
    }
  });
  const NormShares shares(in, batch);
  std::fill_n(work.sums, channels, 0.0);
  for (int share = 0; share < shares.count; ++share)
    for (int c = 0; shares.size(share) > 0 && c < channels; ++c) work.sums[c] += work.sums_of(share)[c];
}
// work.products: the squares of distances from these means.
template <class T>
void sum_squares(Shape in, int batch, const double* means, const NormScratch<T>& work) {
  const NormShares shares(in, batch);
  std::fill_n(work.products, in.channels, 0.0);
  for (int share = 0; share < shares.count; ++share) {
    const auto n = static_cast<double>(shares.size(share));
    for (int c = 0; n > 0 && c < in.channels; ++c) {
      const double distance = work.sums_of(share)[c] / n - means[c];
      work.products[c] += work.products_of(share)[c] + n * distance * distance;
    }
  }
}

}  // namespace detail

// Replaces sums over `rows` rows by those over the rows of all processes, and returns how many these are.
inline double sum_over_processes(BatchSums* all, double rows, double* sums, std::int64_t count) {
  if (!all) return rows;
  std::vector<double> numbers(sums, sums + count);
  numbers.push_back(rows);
  all->sum(numbers);
  std::copy_n(numbers.begin(), count, sums);
  return numbers.back();
}

// running = momentum * running + (1 - momentum) * batch, for channels whose batch statistics are finite: a NaN would stay
// forever. The variance is the biased one, as in Keras.
template <class T>
void batch_norm_forward(Shape in, int batch, T epsilon, T momentum, const T* x, const T* gamma, const T* beta,
                        T* running_mean, T* running_variance, T* mean, T* inverse_deviation, T* y, ThreadPool& pool,
                        BatchSums* all, T* scratch, const NormActivation<T>& activation = {}) {
  const int channels = in.channels;
  const detail::NormScratch<T> work(in, batch, scratch);
  detail::sum_moments(in, batch, x, work, pool);
  const double own = static_cast<double>(batch * in.size() / channels);
  const double n = sum_over_processes(all, own, work.sums, channels);
  for (int c = 0; c < channels; ++c) work.sums[c] /= n;
  detail::sum_squares(in, batch, work.sums, work);
  sum_over_processes(all, own, work.products, channels);
  for (int c = 0; c < channels; ++c) {
    mean[c] = static_cast<T>(work.sums[c]);
    const T variance = static_cast<T>(work.products[c] / n);
    if (std::isfinite(mean[c] + variance)) {
      running_mean[c] = momentum * running_mean[c] + (T{1} - momentum) * mean[c];
      running_variance[c] = momentum * running_variance[c] + (T{1} - momentum) * variance;
    }
    inverse_deviation[c] = T{1} / std::sqrt(variance + epsilon);
    work.factor[c] = gamma ? gamma[c] * inverse_deviation[c] : inverse_deviation[c];
    work.shift[c] = beta ? beta[c] : T{0};
  }
  const detail::NormChannels<T> of{.mean = mean,
                                   .factor = work.factor,
                                   .shift = work.shift,
                                   .low = static_cast<T>(activation.limits.low),
                                   .high = static_cast<T>(activation.limits.high)};
  const auto run = detail::NormalizeKernel<T>::table::of(detail::path_for<T>(channels, detail::Rest::slow));
  const auto activate = activation.forward;
  detail::for_shares(in, batch, pool, [=](int, std::int64_t first, std::int64_t rows) {
    detail::for_few_rows(rows, channels, [&](std::int64_t few, std::int64_t count) {
      const std::int64_t at = (first + few) * channels;
      run(x + at, count, channels, channels, of, y + at);
      if (activate) activate(count * channels, y + at);
    });
  });
}

template <class T>
void batch_norm_inference(Shape in, int batch, T epsilon, const T* x, const T* gamma, const T* beta, const T* running_mean,
                          const T* running_variance, T* y, ThreadPool& pool) {
  const int channels = in.channels;
  const auto run = detail::NormalizeKernel<T>::table::of(detail::path_for<T>(channels, detail::Rest::slow));
  detail::for_shares(in, batch, pool, [=](int, std::int64_t first, std::int64_t rows) {
    constexpr int most = 256;
    T factor[std::size_t{most}], shift[std::size_t{most}];
    for (int begin = 0; begin < channels; begin += most) {
      const int count = std::min(most, channels - begin);
      for (int i = 0; i < count; ++i) {
        factor[i] = (gamma ? gamma[begin + i] : T{1}) / std::sqrt(running_variance[begin + i] + epsilon);
        shift[i] = beta ? beta[begin + i] : T{0};
      }
      const std::int64_t at = first * channels + begin;
      run(x + at, rows, channels, count, {.mean = running_mean + begin, .factor = factor, .shift = shift}, y + at);
    }
  });
}

// dx may be dy.
template <class T>
void batch_norm_backward(Shape in, int batch, const T* x, const T* gamma, const T* mean, const T* inverse_deviation,
                         const T* dy, T* dx, T* dgamma, T* dbeta, ThreadPool& pool, BatchSums* all, T* scratch,
                         const NormActivation<T>& activation = {}) {
  const int channels = in.channels;
  const detail::NormScratch<T> work(in, batch, scratch);
  for (int c = 0; c < channels; ++c) {
    work.factor[c] = gamma ? gamma[c] * inverse_deviation[c] : inverse_deviation[c];
    work.shift[c] = activation.beta ? activation.beta[c] : T{0};
  }
  const bool limited = activation.limits.any();
  const detail::NormChannels<T> of{.mean = mean,
                                   .factor = work.factor,
                                   .shift = work.shift,
                                   .gradient = work.gradient,
                                   .slope = work.slope,
                                   .low = static_cast<T>(activation.limits.low),
                                   .high = static_cast<T>(activation.limits.high)};
  const KernelPath path = detail::path_for<T>(channels, detail::Rest::slow);
  const auto add = limited ? detail::RowSumsKernel<T, detail::NormSums::limited>::table::of(path)
                           : detail::RowSumsKernel<T, detail::NormSums::gradient>::table::of(path);
  const auto normalize = detail::NormalizeKernel<T>::table::of(path);
  const T* given = dy;
  if (activation.backward) dy = activation.between;
  detail::for_shares(in, batch, pool, [&](int share, std::int64_t first, std::int64_t rows) {
    const detail::NormBlock<T> block = work.block_of(share);
    std::fill_n(work.sums_of(share), 2 * channels, 0.0);
    for (std::int64_t r = 0; r < rows; r += detail::NormBlock<T>::rows) {
      block.begin();
      detail::for_few_rows(std::min(detail::NormBlock<T>::rows, rows - r), channels, [&](std::int64_t few, std::int64_t n) {
        const std::int64_t at = (first + r + few) * channels;
        if (activation.backward) {
          T* between = activation.between + at;
          if (!activation.from_output) normalize(x + at, n, channels, channels, of, between);
          activation.backward(n * channels, activation.from_output ? nullptr : between, activation.y + at, given + at,
                              between);
        }
        add(x + at, dy + at, of, n, channels, block.sums, block.products);
      });
      block.end(work.sums_of(share), work.products_of(share));
    }
  });
  const detail::NormShares shares(in, batch);
  std::fill_n(work.sums, 2 * channels, 0.0);  // and the products
  for (int share = 0; share < shares.count; ++share)
    for (int c = 0; shares.size(share) > 0 && c < 2 * channels; ++c) work.sums[c] += work.sums_of(share)[c];
  for (int c = 0; c < channels; ++c) {  // of this process: gradients are summed later
    dbeta[c] = static_cast<T>(work.sums[c]);
    dgamma[c] = static_cast<T>(work.products[c] * static_cast<double>(inverse_deviation[c]));
  }
  const double n = sum_over_processes(all, static_cast<double>(batch * in.size() / channels), work.sums, 2 * channels);
  for (int c = 0; c < channels; ++c) {
    const double inverse = static_cast<double>(inverse_deviation[c]);
    work.gradient[c] = static_cast<T>(work.sums[c] / n);
    work.slope[c] = static_cast<T>(work.products[c] * inverse * inverse / n);
  }
  const auto run = limited ? detail::NormGradientKernel<T, true>::table::of(path)
                           : detail::NormGradientKernel<T, false>::table::of(path);
  detail::for_shares(in, batch, pool, [&](int, std::int64_t first, std::int64_t rows) {
    run(x + first * channels, dy + first * channels, rows, channels, of, dx + first * channels);
  });
}

}  // namespace strata::inline STRATA_ABI::cpu
