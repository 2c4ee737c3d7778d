// SPDX-License-Identifier: BSL-1.0
// The end of a chain (model/chain.hpp), applied to parts of a product's output while they are in the cache.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu/simd.hpp>
#include <strata/core/linkage.hpp>
#include <strata/model/chain.hpp>
#include <strata/util/thread_pool.hpp>

namespace strata::inline STRATA_ABI::cpu {

namespace detail {

// y = x * scale + shift + add, cut to the limits, for rows of `channels` elements that are `stride` apart. scale and shift
// are null together; add may be null; y may be x.
template <class T>
struct FinishKernel {
  template <int Bytes>
  STRATA_INLINE static void run(std::int64_t rows, std::int64_t stride, std::int64_t channels, const T* x, const T* scale,
                                const T* shift, const T* add, Limits limits, T* y) {
    using vector = detail::vector<T, Bytes>;
    constexpr int lanes = lanes_of<T, Bytes>;
    const bool limited = limits.any();
    for (std::int64_t r = 0; r < rows; ++r, x += stride, y += stride) {
      std::int64_t c = 0;
      for (; c + lanes <= channels; c += lanes) {
        vector v;
        load(v, x + c);
        if (scale) {
          vector a, b;
          load(a, scale + c);
          load(b, shift + c);
          v = v * a + b;
        }
        if (add) {
          vector other;
          load(other, add + c);
          v += other;
        }
        if (limited) cut(v, static_cast<T>(limits.low), static_cast<T>(limits.high));
        store(y + c, v);
      }
      for (; c < channels; ++c) {
        T v = x[c];
        if (scale) v = v * scale[c] + shift[c];
        if (add) v += add[c];
        y[c] = limits.cut(v);
      }
      if (add) add += stride;
    }
  }
  using table =
      versions<FinishKernel, std::int64_t, std::int64_t, std::int64_t, const T*, const T*, const T*, const T*, Limits, T*>;
};

}  // namespace detail

template <class T>
class Finish {
 public:
  // scale and shift (channels): null if the product has applied them.
  Finish(const T* scale, const T* shift, const ChainEnd<T>& end)
      : scale_(scale), shift_(shift), end_(end), kernel_(detail::FinishKernel<T>::table::of(detail::path_now())) {}

  // The limits of sums in registers, if nothing comes between.
  [[nodiscard]] Limits limits() const { return scale_ || end_.add ? Limits{} : end_.limits; }
  // Whether anything is left to do.
  [[nodiscard]] bool pending() const { return scale_ || end_.add || end_.activation; }

  // `rows` rows of the output y that are `stride` elements apart, the first at element `at`: their channels [first, first +
  // count).
  void operator()(T* y, std::int64_t at, std::int64_t rows, std::int64_t stride, int first, int count) const {
    if (!pending()) return;
    if (count < stride) {
      for (std::int64_t r = 0; r < rows; ++r, at += stride) part(y, y, at + first, 1, stride, first, count);
    } else {
      const std::int64_t each = std::max<std::int64_t>(1, 2048 / count);  // elements that stay in the first-level cache
      for (std::int64_t r = 0; r < rows; r += each) part(y, y, at + r * stride, std::min(each, rows - r), stride, 0, count);
    }
  }
  // y from x, all rows of `channels` elements that are `stride` apart, for a product that has not cut its sums.
  void all(std::int64_t rows, int channels, const T* x, T* y, int stride, ThreadPool& pool) const {
    if (!pending() && !end_.limits.any() && x == y) return;
    const std::int64_t each = std::max(1, 16384 / channels);
    pool.parallel_for(static_cast<int>((rows + each - 1) / each), [&](int task, int) {
      const std::int64_t first = task * each;
      part(x, y, first * stride, std::min(each, rows - first), stride, 0, channels);
    });
  }

 private:
  void part(const T* x, T* y, std::int64_t at, std::int64_t rows, std::int64_t stride, int first, int count) const {
    if (scale_ || end_.add || end_.limits.any() || x != y)
      kernel_(rows, stride, count, x + at, scale_ ? scale_ + first : nullptr, scale_ ? shift_ + first : nullptr,
              end_.add ? end_.add + at : nullptr, end_.limits, y + at);
    if (!end_.activation) return;
    if (count == stride) return end_.activation(rows * stride, y + at);
    for (std::int64_t r = 0; r < rows; ++r) end_.activation(count, y + at + r * stride);
  }

  const T *scale_, *shift_;
  ChainEnd<T> end_;
  typename detail::FinishKernel<T>::table::function kernel_;
};

}  // namespace strata::inline STRATA_ABI::cpu
