// SPDX-License-Identifier: BSL-1.0
// The kernels of batch_norm.hpp, over a few rows, all channels of which are next to each other.
#pragma once
#include <cstdint>
#include <limits>

#include <strata/backend/cpu/simd.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu::detail {

// A kernel reads these numbers for each channel; the limits are those of an activation behind the normalization.
template <class T>
struct NormChannels {
  const T *mean = nullptr, *factor = nullptr, *shift = nullptr;  // y = (x - mean) * factor + shift
  const T *gradient = nullptr, *slope = nullptr;                 // dx = (dy - gradient - (x - mean) * slope) * factor
  T low = -std::numeric_limits<T>::infinity(), high = std::numeric_limits<T>::infinity();
};
// moments: of x - mean, where a missing mean is zero. gradient: of dy. limited: of dy where y is between the limits, else
// 0.
enum class NormSums { moments, gradient, limited };

// The gradient behind limits: dy, or 0 where y is not between them.
template <class V, class T>
STRATA_INLINE void pass_between(const V& y, T low, T high, V& dy) {
  const V zero{};
  V least, most;
  fill(least, low), fill(most, high);
  const V test = y < most ? y : least;  // no two comparisons of y: g++ 12 would take them apart with AVX-512
  dy = test > least ? dy : zero;
}

// Adds to sums, for each channel, the rows of what `Of` says, and to products the same times x - mean.
template <class T, NormSums Of>
struct RowSumsKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const T* x, const T* dy, const NormChannels<T>& of, std::int64_t rows, int channels,
                                T* sums, T* products) {
    using vector = detail::vector<T, Bytes>;
    constexpr int lanes = lanes_of<T, Bytes>;
    int c = 0;
    for (; c + lanes <= channels; c += lanes) {
      vector mean{}, factor{}, shift{}, sum, product;
      if (of.mean) load(mean, of.mean + c);
      if constexpr (Of == NormSums::limited) load(factor, of.factor + c), load(shift, of.shift + c);
      load(sum, sums + c), load(product, products + c);
      for (std::int64_t r = 0; r < rows; ++r) {
        vector v, g;
        load(v, x + r * channels + c);
        v -= mean;
        g = v;
        if constexpr (Of != NormSums::moments) load(g, dy + r * channels + c);
        if constexpr (Of == NormSums::limited) pass_between<vector, T>(v * factor + shift, of.low, of.high, g);
        sum += g;
        product += g * v;
      }
      store(sums + c, sum), store(products + c, product);
    }
    for (; c < channels; ++c)
      for (std::int64_t r = 0; r < rows; ++r) {
        const T v = x[r * channels + c] - (of.mean ? of.mean[c] : T{0});
        const T g = gradient(v, dy ? dy + r * channels : nullptr, of, c);
        sums[c] += g, products[c] += g * v;
      }
  }
  using table = versions<RowSumsKernel, const T*, const T*, const NormChannels<T>&, std::int64_t, int, T*, T*>;

 private:
  STRATA_INLINE static T gradient(T v, const T* dy, const NormChannels<T>& of, int c) {
    if constexpr (Of == NormSums::moments) return v;
    if constexpr (Of == NormSums::gradient) return dy[c];
    const T y = v * of.factor[c] + of.shift[c];
    return y > of.low && y < of.high ? dy[c] : T{0};
  }
};

// Writes y, cut to the limits. Rows are a stride apart, and each has `channels` elements.
template <class T>
struct NormalizeKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const T* x, std::int64_t rows, int stride, int channels, const NormChannels<T>& of, T* y) {
    using vector = detail::vector<T, Bytes>;
    constexpr int lanes = lanes_of<T, Bytes>;
    const T low = of.low, high = of.high;
    for (std::int64_t r = 0; r < rows; ++r, x += stride, y += stride) {
      int c = 0;
      for (; c + lanes <= channels; c += lanes) {
        vector v, mean, factor, shift;
        load(v, x + c), load(mean, of.mean + c), load(factor, of.factor + c), load(shift, of.shift + c);
        v = (v - mean) * factor + shift;
        cut(v, low, high);
        store(y + c, v);
      }
      for (; c < channels; ++c) {
        const T v = (x[c] - of.mean[c]) * of.factor[c] + of.shift[c];
        y[c] = v < low ? low : v > high ? high : v;
      }
    }
  }
  using table = versions<NormalizeKernel, const T*, std::int64_t, int, int, const NormChannels<T>&, T*>;
};

// Writes dx, which may be dy. Limited: y was cut to the limits.
template <class T, bool Limited>
struct NormGradientKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const T* x, const T* dy, std::int64_t rows, int channels, const NormChannels<T>& of,
                                T* dx) {
    using vector = detail::vector<T, Bytes>;
    constexpr int lanes = lanes_of<T, Bytes>;
    const T low = of.low, high = of.high;
    for (std::int64_t r = 0; r < rows; ++r, x += channels, dy += channels, dx += channels) {
      int c = 0;
      for (; c + lanes <= channels; c += lanes) {
        vector v, g, mean, factor, gradient, slope;
        load(v, x + c), load(g, dy + c), load(mean, of.mean + c), load(factor, of.factor + c);
        load(gradient, of.gradient + c), load(slope, of.slope + c);
        v -= mean;
        if constexpr (Limited) {
          vector shift;
          load(shift, of.shift + c);
          pass_between<vector, T>(v * factor + shift, low, high, g);
        }
        v = (g - gradient - v * slope) * factor;
        store(dx + c, v);
      }
      for (; c < channels; ++c) {
        const T v = x[c] - of.mean[c], y = Limited ? v * of.factor[c] + of.shift[c] : T{0};
        const T g = !Limited || (y > low && y < high) ? dy[c] : T{0};
        dx[c] = (g - of.gradient[c] - v * of.slope[c]) * of.factor[c];
      }
    }
  }
  using table = versions<NormGradientKernel, const T*, const T*, std::int64_t, int, const NormChannels<T>&, T*>;
};

}  // namespace strata::inline STRATA_ABI::cpu::detail
