// SPDX-License-Identifier: BSL-1.0
// Dropout: element i of the batch is dropped iff random.uniform(i) < rate. Backward computes the mask again, so that it is
// never stored. In place or not.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include <strata/backend/cpu/chunks.hpp>
#include <strata/core/linkage.hpp>
#include <strata/util/random.hpp>

namespace strata::inline STRATA_ABI::cpu {

template <class T>
void dropout_forward(std::int64_t n, double rate, const Random& random, const T* x, T* y, ThreadPool& pool) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  const T scale = static_cast<T>(1 / (1 - rate));
  // uniform(i) is a multiple of 2^-24. As an integer it compares exactly with any rate.
  const std::uint32_t threshold = static_cast<std::uint32_t>(std::ceil(rate * 0x1p24));
  // Chunks are multiples of 4, so that each block of random words lies within one.
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
    for (std::int64_t i = first; i < first + count; i += 4) {
      const auto words = random.block(static_cast<std::uint64_t>(i) / 4);
      const std::int64_t end = std::min<std::int64_t>(i + 4, first + count);
      for (std::int64_t j = i; j < end; ++j) {
        // Without a branch: the processor would mispredict every other one.
        const Bits kept = Bits{0} - Bits{words[static_cast<std::size_t>(j - i)] >> 8 >= threshold};
        y[j] = std::bit_cast<T>(std::bit_cast<Bits>(x[j] * scale) & kept);
      }
    }
  });
}
// The same for samples of `size` elements: sample i is dropped iff random.uniform(i) < rate.
template <class T>
void drop_samples(int batch, std::int64_t size, double rate, const Random& random, const T* x, T* y, ThreadPool& pool) {
  const T scale = static_cast<T>(1 / (1 - rate));
  for_elements(
      batch, pool,
      [=](std::int64_t sample) {
        const T* from = x + sample * size;
        T* to = y + sample * size;
        if (static_cast<double>(random.uniform(static_cast<std::uint64_t>(sample))) < rate)
          std::fill_n(to, size, T{0});
        else
          std::transform(from, from + size, to, [scale](T v) { return v * scale; });
      },
      std::max<std::int64_t>(1, 16384 / size));
}

// The gradient is dropped and scaled in the same way.
template <class T>
void dropout_backward(std::int64_t n, double rate, const Random& random, const T* dy, T* dx, ThreadPool& pool) {
  dropout_forward(n, rate, random, dy, dx, pool);
}

}  // namespace strata::inline STRATA_ABI::cpu
