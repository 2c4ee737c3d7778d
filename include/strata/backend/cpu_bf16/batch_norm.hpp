// SPDX-License-Identifier: BSL-1.0
// BatchNorm of activations in bfloat16: statistics, parameters and arithmetic are float32. x, y (N,H,W,C).
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <strata/backend/cpu/batch_norm.hpp>
#include <strata/backend/cpu_bf16/convert.hpp>
#include <strata/backend/cpu_bf16/row_sums.hpp>
#include <strata/backend/cpu_bf16/sizes.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/model/engine.hpp>

namespace strata::inline STRATA_ABI::cpu::bf16 {

namespace detail {

// y = (x - mean) * factor + shift, or with dy the gradient (dy - shift - (x - mean) * slope) * factor. y may be dy. Rows
// are `stride` elements apart.
template <bool Gradient>
struct NormalizeKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const Bf16* x, const Bf16* dy, std::int64_t rows, int stride, int channels,
                                const float* mean, const float* factor, const float* shift, const float* slope, Bf16* y) {
    using numbers = vector<float, Bytes>;
    constexpr int lanes = lanes_of<float, Bytes>;
    for (std::int64_t r = 0; r < rows; ++r, x += stride, dy += Gradient ? stride : 0, y += stride) {
      int c = 0;
      for (; c + lanes <= channels; c += lanes) {
        numbers v, m, a, b;
        load_wide<Bytes>(v, x + c);
        load(m, mean + c);
        load(a, factor + c);
        load(b, shift + c);
        if constexpr (Gradient) {
          numbers g, s;
          load_wide<Bytes>(g, dy + c);
          load(s, slope + c);
          v = (g - b - (v - m) * s) * a;
        } else {
          v = (v - m) * a + b;
        }
        store_rounded<Bytes>(y + c, v);
      }
      for (; c < channels; ++c) {
        const float v = static_cast<float>(x[c]) - mean[c];
        if constexpr (Gradient)
          y[c] = Bf16((static_cast<float>(dy[c]) - shift[c] - v * slope[c]) * factor[c]);
        else
          y[c] = Bf16(v * factor[c] + shift[c]);
      }
    }
  }
  using table = versions<NormalizeKernel, const Bf16*, const Bf16*, std::int64_t, int, int, const float*, const float*,
                         const float*, const float*, Bf16*>;
};

constexpr std::int64_t rows_of(Shape in, int batch) { return batch * in.size() / in.channels; }

// Numbers for each channel, and the sums of the shares as doubles.
struct NormScratch {
  double* sums;
  float *factor, *shift, *slope;
  NormScratch(Shape in, int batch, float* scratch)
      : sums(reinterpret_cast<double*>(cpu::detail::at_cache_line(scratch))),
        factor(reinterpret_cast<float*>(sums + 2 * std::int64_t{in.channels} * row_shares(rows_of(in, batch)))),
        shift(factor + in.channels),
        slope(shift + in.channels) {}
};

template <bool Gradient>
void normalize(Shape in, int batch, const Bf16* x, const Bf16* dy, const float* mean, const float* factor,
               const float* shift, const float* slope, Bf16* y, ThreadPool& pool) {
  const int channels = in.channels;
  const auto run = NormalizeKernel<Gradient>::table::of(cpu::detail::path_for<float>(channels, cpu::detail::Rest::slow));
  for_row_shares(rows_of(in, batch), pool, [=](int, std::int64_t first, std::int64_t rows) {
    const std::int64_t at = first * channels;
    run(x + at, dy ? dy + at : nullptr, rows, channels, channels, mean, factor, shift, slope, y + at);
  });
}

}  // namespace detail

// In floats.
constexpr std::int64_t batch_norm_scratch(Shape in, int batch) {
  return 4 * std::int64_t{in.channels} * detail::row_shares(detail::rows_of(in, batch)) + 3 * in.channels + 16;
}

// running = momentum * running + (1 - momentum) * batch, for channels whose batch statistics are finite. The variance is
// the biased one, as in Keras. gamma and beta may be null.
inline void batch_norm_forward(Shape in, int batch, float epsilon, float momentum, const Bf16* x, const float* gamma,
                               const float* beta, float* running_mean, float* running_variance, float* mean,
                               float* inverse_deviation, Bf16* y, ThreadPool& pool, BatchSums* all, float* scratch) {
  const std::int64_t rows = detail::rows_of(in, batch);
  const detail::NormScratch work(in, batch, scratch);
  detail::sum_channels<false>(rows, in.channels, x, nullptr, nullptr, work.sums, pool);
  const double n = sum_over_processes(all, static_cast<double>(rows), work.sums, in.channels);
  for (int c = 0; c < in.channels; ++c) mean[c] = static_cast<float>(work.sums[c] / n);
  detail::sum_channels<false>(rows, in.channels, x, nullptr, mean, work.sums, pool);
  sum_over_processes(all, static_cast<double>(rows), work.sums, in.channels);
  for (int c = 0; c < in.channels; ++c) {
    const float variance = static_cast<float>(work.sums[c] / n);
    if (std::isfinite(mean[c] + variance)) {
      running_mean[c] = momentum * running_mean[c] + (1 - momentum) * mean[c];
      running_variance[c] = momentum * running_variance[c] + (1 - momentum) * variance;
    }
    inverse_deviation[c] = 1 / std::sqrt(variance + epsilon);
    work.factor[c] = gamma ? gamma[c] * inverse_deviation[c] : inverse_deviation[c];
    work.shift[c] = beta ? beta[c] : 0.f;
  }
  detail::normalize<false>(in, batch, x, nullptr, mean, work.factor, work.shift, nullptr, y, pool);
}

inline void batch_norm_inference(Shape in, int batch, float epsilon, const Bf16* x, const float* gamma, const float* beta,
                                 const float* running_mean, const float* running_variance, Bf16* y, ThreadPool& pool) {
  const int channels = in.channels;
  const auto run =
      detail::NormalizeKernel<false>::table::of(cpu::detail::path_for<float>(channels, cpu::detail::Rest::slow));
  detail::for_row_shares(detail::rows_of(in, batch), pool, [=](int, std::int64_t first, std::int64_t rows) {
    constexpr int most = 256;
    float factor[std::size_t{most}], shift[std::size_t{most}];
    for (int begin = 0; begin < channels; begin += most) {
      const int count = std::min(most, channels - begin);
      for (int i = 0; i < count; ++i) {
        factor[i] = (gamma ? gamma[begin + i] : 1.f) / std::sqrt(running_variance[begin + i] + epsilon);
        shift[i] = beta ? beta[begin + i] : 0.f;
      }
      const std::int64_t at = first * channels + begin;
      run(x + at, nullptr, rows, channels, count, running_mean + begin, factor, shift, nullptr, y + at);
    }
  });
}

// dx may be dy.
inline void batch_norm_backward(Shape in, int batch, const Bf16* x, const float* gamma, const float* mean,
                                const float* inverse_deviation, const Bf16* dy, Bf16* dx, float* dgamma, float* dbeta,
                                ThreadPool& pool, BatchSums* all, float* scratch) {
  const std::int64_t rows = detail::rows_of(in, batch);
  const detail::NormScratch work(in, batch, scratch);
  detail::sum_channels<true>(rows, in.channels, x, dy, mean, work.sums, pool);
  for (int c = 0; c < in.channels; ++c) {  // of this process: gradients are summed later
    dbeta[c] = static_cast<float>(work.sums[c]);
    dgamma[c] = static_cast<float>(work.sums[in.channels + c] * static_cast<double>(inverse_deviation[c]));
  }
  const double n = sum_over_processes(all, static_cast<double>(rows), work.sums, 2 * in.channels);
  for (int c = 0; c < in.channels; ++c) {
    const double inverse = static_cast<double>(inverse_deviation[c]), product = work.sums[in.channels + c];
    work.factor[c] = gamma ? gamma[c] * inverse_deviation[c] : inverse_deviation[c];
    work.shift[c] = static_cast<float>(work.sums[c] / n);
    work.slope[c] = static_cast<float>(product * inverse * inverse / n);
  }
  detail::normalize<true>(in, batch, x, dy, mean, work.factor, work.shift, work.slope, dx, pool);
}

}  // namespace strata::inline STRATA_ABI::cpu::bf16
