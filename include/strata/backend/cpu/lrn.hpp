// SPDX-License-Identifier: BSL-1.0
// Local response normalization across channels. x (N,H,W,C). Blocks of channels fit the stack.
#pragma once
#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/lrn.hpp>
#include <strata/core/shape.hpp>

namespace strata::inline STRATA_ABI::cpu {

namespace detail {

inline constexpr int lrn_block = 256;

// Calls f(first, count, d) for d in [low, low + n): the channels i of [first, end) whose neighbour i + d is in [from, to).
template <class F>
void for_neighbours(int first, int end, int low, int n, int from, int to, F&& f) {
  for (int d = low; d < low + n; ++d) {
    const int begin = std::max(first, from - d), count = std::min(end, to - d) - begin;
    if (count > 0) f(begin, count, d);
  }
}

// scale[i - first] = k + alpha * the sum of squares around channel i of one position
template <class T>
void lrn_scales(const LrnParameters& p, const T* x, int channels, int first, int count, T* scale) {
  Array<T> all(scale, count);
  all.setZero();
  for_neighbours(first, first + count, -(p.n / 2), p.n, 0, channels, [=](int begin, int length, int d) {
    Array<T>(scale + (begin - first), length) += ConstArray<T>(x + begin + d, length).square();
  });
  all = static_cast<T>(p.k) + static_cast<T>(p.alpha) * all;
}

}  // namespace detail

template <class T>
void lrn_forward(Shape in, int batch, const LrnParameters& p, const T* x, T* y, ThreadPool& pool) {
  const T power = static_cast<T>(-p.beta);
  for_chunks(
      batch * in.size() / in.channels, pool,
      [=](std::int64_t first_row, std::int64_t rows) {
        T scale[detail::lrn_block];
        for (std::int64_t at = first_row * in.channels; at < (first_row + rows) * in.channels; at += in.channels)
          for (int first = 0; first < in.channels; first += detail::lrn_block) {
            const int count = std::min(detail::lrn_block, in.channels - first);
            detail::lrn_scales(p, x + at, in.channels, first, count, scale);
            Array<T>(y + at + first, count) =
                ConstArray<T>(x + at + first, count) * (ConstArray<T>(scale, count).log() * power).exp();
          }
      },
      std::max(1, 16384 / in.channels));
}

// dx_i = dy_i s_i^-beta - 2 alpha beta x_i * sum of dy_c y_c / s_c over the channels c that have i as a neighbour.
template <class T>
void lrn_backward(Shape in, int batch, const LrnParameters& p, const T* x, const T* y, const T* dy, T* dx,
                  ThreadPool& pool) {
  const T power = static_cast<T>(-p.beta), factor = static_cast<T>(2 * p.alpha * p.beta);
  for_chunks(
      batch * in.size() / in.channels, pool,
      [=](std::int64_t first_row, std::int64_t rows) {
        T scale[detail::lrn_block], share[detail::lrn_block], sum[detail::lrn_block];
        for (std::int64_t at = first_row * in.channels; at < (first_row + rows) * in.channels; at += in.channels)
          for (int first = 0; first < in.channels; first += detail::lrn_block) {
            const int count = std::min(detail::lrn_block, in.channels - first), end = first + count;
            std::fill_n(sum, count, T{0});
            // The own block comes last, so that `scale` then holds its scales.
            const auto add = [&](int from) {
              const int length = std::min(detail::lrn_block, in.channels - from);
              detail::lrn_scales(p, x + at, in.channels, from, length, scale);
              Array<T>(share, length) = ConstArray<T>(dy + at + from, length) * ConstArray<T>(y + at + from, length) /
                                        ConstArray<T>(scale, length);
              detail::for_neighbours(
                  first, end, p.n / 2 - p.n + 1, p.n, from, from + length, [&](int begin, int many, int d) {
                    Array<T>(sum + (begin - first), many) += ConstArray<T>(share + (begin + d - from), many);
                  });
            };
            for (int from = 0; from < in.channels; from += detail::lrn_block)
              if (from != first && from < end + p.n && from + detail::lrn_block > first - p.n) add(from);
            add(first);
            Array<T>(dx + at + first, count) =
                ConstArray<T>(dy + at + first, count) * (ConstArray<T>(scale, count).log() * power).exp() -
                factor * ConstArray<T>(x + at + first, count) * ConstArray<T>(sum, count);
          }
      },
      std::max(1, 16384 / in.channels));
}

}  // namespace strata::inline STRATA_ABI::cpu
