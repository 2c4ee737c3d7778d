// SPDX-License-Identifier: BSL-1.0
// Batch normalization. A task is a share of the rows, all channels of which are next to each other in memory; shares depend
// on the shape alone, and what they add up is added in their order. x (N,H,W,C). gamma and beta may be null: the layer has
// none.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/chunks.hpp>
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

// Adds sums over rows to totals, for each channel: of dy or, without it, of x or (x - mean)^2; with dy also of
// dy (x - mean). Within a block of rows it adds in T, from block to block in double, because a float that has reached 2^24
// does not change when 1 is added.
template <class T, bool Gradient>
struct RowSumsKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const T* x, const T* dy, const T* mean, std::int64_t rows, int channels, double* totals,
                                double* products) {
    using vector = detail::vector<T, Bytes>;
    constexpr int lanes = lanes_of<T, Bytes>, block = 512;
    for (std::int64_t first = 0; first < rows; first += block) {
      const std::int64_t end = std::min(rows, first + block);
      int c = 0;
      for (; c + lanes <= channels; c += lanes) {
        vector centre{}, sum{}, product{};
        if (mean) load(centre, mean + c);
        for (std::int64_t r = first; r < end; ++r) {
          vector v;
          load(v, x + r * channels + c);
          if constexpr (Gradient) {
            vector g;
            load(g, dy + r * channels + c);
            sum += g;
            product += g * (v - centre);
          } else {
            v -= centre;
            sum += mean ? v * v : v;
          }
        }
        for (int l = 0; l < lanes; ++l) {
          totals[c + l] += static_cast<double>(sum[l]);
          if (Gradient) products[c + l] += static_cast<double>(product[l]);
        }
      }
      for (; c < channels; ++c) {
        const T centre = mean ? mean[c] : T{0};
        T sum{0}, product{0};
        for (std::int64_t r = first; r < end; ++r) {
          const T v = x[r * channels + c] - centre;
          if constexpr (Gradient)
            sum += dy[r * channels + c], product += dy[r * channels + c] * v;
          else
            sum += mean ? v * v : v;
        }
        totals[c] += static_cast<double>(sum);
        if (Gradient) products[c] += static_cast<double>(product);
      }
    }
  }
  using table = versions<RowSumsKernel, const T*, const T*, const T*, std::int64_t, int, double*, double*>;
};

// Writes (x - mean) * factor + shift to y, or with dy the gradient (dy - shift - (x - mean) * slope) * factor. Rows are a
// stride apart, and each has `channels` elements. y may be dy.
template <class T, bool Gradient>
struct NormalizeKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const T* x, const T* dy, std::int64_t rows, int stride, int channels, const T* mean,
                                const T* factor, const T* shift, const T* slope, T* y) {
    using vector = detail::vector<T, Bytes>;
    constexpr int lanes = lanes_of<T, Bytes>;
    for (std::int64_t r = 0; r < rows; ++r, x += stride, dy += Gradient ? stride : 0, y += stride) {
      int c = 0;
      for (; c + lanes <= channels; c += lanes) {
        vector v, m, a, b;
        load(v, x + c);
        load(m, mean + c);
        load(a, factor + c);
        load(b, shift + c);
        if constexpr (Gradient) {
          vector g, s;
          load(g, dy + c);
          load(s, slope + c);
          v = (g - b - (v - m) * s) * a;
        } else {
          v = (v - m) * a + b;
        }
        store(y + c, v);
      }
      for (; c < channels; ++c)
        if constexpr (Gradient)
          y[c] = (dy[c] - shift[c] - (x[c] - mean[c]) * slope[c]) * factor[c];
        else
          y[c] = (x[c] - mean[c]) * factor[c] + shift[c];
    }
  }
  using table =
      versions<NormalizeKernel, const T*, const T*, std::int64_t, int, int, const T*, const T*, const T*, const T*, T*>;
};

// Calls f(share, first row, rows).
template <class F>
void for_shares(Shape in, int batch, ThreadPool& pool, F&& f) {
  const std::int64_t rows = batch * in.size() / in.channels;
  const int shares = norm_shares(in, batch);
  const std::int64_t each = (rows + shares - 1) / shares;
  pool.parallel_for(shares, [=, &f](int share, int) {
    const std::int64_t first = share * each;
    if (first < rows) f(share, first, std::min(each, rows - first));
  });
}

// Sums over all rows: sums[c] and, with dy, products[c], as RowSumsKernel describes them. Both are double in scratch.
template <class T, bool Gradient>
void sum_channels(Shape in, int batch, const T* x, const T* dy, const T* mean, double* sums, ThreadPool& pool) {
  const int channels = in.channels;
  const std::int64_t each = std::int64_t{2} * channels;
  const auto run = RowSumsKernel<T, Gradient>::table::of(path_for<T>(channels, Rest::slow));
  std::fill_n(sums, norm_shares(in, batch) * each, 0.0);
  for_shares(in, batch, pool, [=](int share, std::int64_t first, std::int64_t rows) {
    double* mine = sums + share * each;
    run(x + first * channels, dy ? dy + first * channels : nullptr, mean, rows, channels, mine, mine + channels);
  });
  for (int share = 1; share < norm_shares(in, batch); ++share)
    for (std::int64_t i = 0; i < (Gradient ? each : channels); ++i) sums[i] += sums[share * each + i];
}

// Scratch as doubles, and behind them numbers for each channel.
template <class T>
struct NormScratch {
  double* sums;
  T *factor, *shift, *slope;
  NormScratch(Shape in, int batch, T* scratch)
      : sums(reinterpret_cast<double*>(at_cache_line(scratch))),
        factor(reinterpret_cast<T*>(sums + norm_sums(in, batch))),
        shift(factor + in.channels),
        slope(shift + in.channels) {}
};

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
                        BatchSums* all, T* scratch) {
  const int channels = in.channels;
  const double own = static_cast<double>(batch * in.size() / channels);
  const detail::NormScratch<T> work(in, batch, scratch);
  detail::sum_channels<T, false>(in, batch, x, nullptr, nullptr, work.sums, pool);
  const double n = sum_over_processes(all, own, work.sums, channels);
  for (int c = 0; c < channels; ++c) mean[c] = static_cast<T>(work.sums[c] / n);
  detail::sum_channels<T, false>(in, batch, x, nullptr, mean, work.sums, pool);
  sum_over_processes(all, own, work.sums, channels);
  for (int c = 0; c < channels; ++c) {
    const T variance = static_cast<T>(work.sums[c] / n);
    if (std::isfinite(mean[c] + variance)) {
      running_mean[c] = momentum * running_mean[c] + (T{1} - momentum) * mean[c];
      running_variance[c] = momentum * running_variance[c] + (T{1} - momentum) * variance;
    }
    inverse_deviation[c] = T{1} / std::sqrt(variance + epsilon);
    work.factor[c] = gamma ? gamma[c] * inverse_deviation[c] : inverse_deviation[c];
    work.shift[c] = beta ? beta[c] : T{0};
  }
  const auto run = detail::NormalizeKernel<T, false>::table::of(detail::path_for<T>(channels, detail::Rest::slow));
  detail::for_shares(in, batch, pool, [=](int, std::int64_t first, std::int64_t rows) {
    run(x + first * channels, nullptr, rows, channels, channels, mean, work.factor, work.shift, nullptr,
        y + first * channels);
  });
}

template <class T>
void batch_norm_inference(Shape in, int batch, T epsilon, const T* x, const T* gamma, const T* beta, const T* running_mean,
                          const T* running_variance, T* y, ThreadPool& pool) {
  const int channels = in.channels;
  const auto run = detail::NormalizeKernel<T, false>::table::of(detail::path_for<T>(channels, detail::Rest::slow));
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
      run(x + at, nullptr, rows, channels, count, running_mean + begin, factor, shift, nullptr, y + at);
    }
  });
}

// dx may be dy.
template <class T>
void batch_norm_backward(Shape in, int batch, const T* x, const T* gamma, const T* mean, const T* inverse_deviation,
                         const T* dy, T* dx, T* dgamma, T* dbeta, ThreadPool& pool, BatchSums* all, T* scratch) {
  const int channels = in.channels;
  const detail::NormScratch<T> work(in, batch, scratch);
  detail::sum_channels<T, true>(in, batch, x, dy, mean, work.sums, pool);
  for (int c = 0; c < channels; ++c) {  // of this process: gradients are summed later
    dbeta[c] = static_cast<T>(work.sums[c]);
    dgamma[c] = static_cast<T>(work.sums[channels + c] * static_cast<double>(inverse_deviation[c]));
  }
  const double n = sum_over_processes(all, static_cast<double>(batch * in.size() / channels), work.sums, 2 * channels);
  for (int c = 0; c < channels; ++c) {
    const double inverse = static_cast<double>(inverse_deviation[c]), product = work.sums[channels + c];
    work.factor[c] = gamma ? gamma[c] * inverse_deviation[c] : inverse_deviation[c];
    work.shift[c] = static_cast<T>(work.sums[c] / n);
    work.slope[c] = static_cast<T>(product * inverse * inverse / n);
  }
  const auto run = detail::NormalizeKernel<T, true>::table::of(detail::path_for<T>(channels, detail::Rest::slow));
  detail::for_shares(in, batch, pool, [=](int, std::int64_t first, std::int64_t rows) {
    run(x + first * channels, dy + first * channels, rows, channels, channels, mean, work.factor, work.shift, work.slope,
        dx + first * channels);
  });
}

}  // namespace strata::inline STRATA_ABI::cpu
