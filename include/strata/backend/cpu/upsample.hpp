// SPDX-License-Identifier: BSL-1.0
// Enlarged maps. A task is a sample. x (N,H,W,C), y (N,H*rows,W*columns,C).
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu/arrays.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/upsample.hpp>
#include <strata/util/thread_pool.hpp>

namespace strata::inline STRATA_ABI::cpu {

namespace detail {
// Calls f(output position, its row's tap, its column's tap), position by position.
template <class T, class F>
void for_upsampled(const Upsampling& u, F&& f) {
  const Shape out = u.out();
  for (int i = 0; i < out.height; ++i) {
    const UpsampleTap<T> row = upsample_tap<T>(i, u.rows, u.in.height, u.bilinear);
    for (int j = 0; j < out.width; ++j) f(i * out.width + j, row, upsample_tap<T>(j, u.columns, u.in.width, u.bilinear));
  }
}
}  // namespace detail

template <class T>
void upsample_forward(const Upsampling& u, int batch, const T* x, T* y, ThreadPool& pool) {
  const std::int64_t channels = u.in.channels;
  pool.parallel_for(batch, [=](int sample, int) {
    const T* image = x + sample * u.in.size();
    T* out = y + sample * u.out().size();
    const auto at = [=](int row, int column) {
      return ConstArray<T>(image + (std::int64_t{row} * u.in.width + column) * channels, channels);
    };
    detail::for_upsampled<T>(u, [&](int position, const UpsampleTap<T>& row, const UpsampleTap<T>& column) {
      Array<T> to(out + position * channels, channels);
      if (!u.bilinear) {
        to = at(row.low, column.low);
        return;
      }
      const T low = T{1} - row.share, left = T{1} - column.share;
      to = low * (left * at(row.low, column.low) + column.share * at(row.low, column.high)) +
           row.share * (left * at(row.high, column.low) + column.share * at(row.high, column.high));
    });
  });
}
template <class T>
void upsample_backward(const Upsampling& u, int batch, const T* dy, T* dx, ThreadPool& pool) {
  const std::int64_t channels = u.in.channels;
  pool.parallel_for(batch, [=](int sample, int) {
    T* to = dx + sample * u.in.size();
    std::fill_n(to, u.in.size(), T{0});
    const T* from = dy + sample * u.out().size();
    detail::for_upsampled<T>(u, [&](int position, const UpsampleTap<T>& row, const UpsampleTap<T>& column) {
      const ConstArray<T> gradient(from + position * channels, channels);
      const auto add = [&](int i, int j, T share) {
        Array<T>(to + (std::int64_t{i} * u.in.width + j) * channels, channels) += share * gradient;
      };
      const T low = T{1} - row.share, left = T{1} - column.share;
      add(row.low, column.low, low * left);
      if (!u.bilinear) return;
      add(row.low, column.high, low * column.share);
      add(row.high, column.low, row.share * left);
      add(row.high, column.high, row.share * column.share);
    });
  });
}

}  // namespace strata::inline STRATA_ABI::cpu
