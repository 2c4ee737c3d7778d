// SPDX-License-Identifier: BSL-1.0
// Element-wise work in bfloat16: the CPU's float32 kernels over small pieces, which are widened and rounded in the
// first-level cache.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include <strata/backend/cpu/activations.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu_bf16/convert.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>
#include <strata/util/random.hpp>

namespace strata::inline STRATA_ABI::cpu::bf16 {

namespace detail {

inline constexpr std::size_t piece = 1024;

// Calls f(first, count) for pieces of [0, n), in threads.
template <class F>
void for_pieces(std::int64_t n, ThreadPool& pool, const F& f) {
  for_chunks(n, pool, [&f](std::int64_t first, std::int64_t count) {
    for (std::int64_t i = 0; i < count; i += std::int64_t{piece}) f(first + i, std::min(std::int64_t{piece}, count - i));
  });
}

// A Run of backend/cuda/element.hpp: kernels of single elements, in threads. For layers that few networks have.
struct ElementRun {
  ThreadPool* pool;
  template <class F>
  void operator()(std::int64_t n, const F& f) const {
    for_elements(n, *pool, f, std::clamp<std::int64_t>(n / 64, 1, 16384));
  }
};

}  // namespace detail

// y may be x.
template <class F>
void activation_forward(std::int64_t n, const Bf16* x, Bf16* y, ThreadPool& pool) {
  detail::for_pieces(n, pool, [=](std::int64_t first, std::int64_t count) {
    float values[detail::piece];
    widen(count, x + first, values);
    ActivationOf<F>::forward(count, static_cast<const float*>(values), values);
    round(count, values, y + first);
  });
}
// dx may be dy unless F::backward takes x; x may be null unless it does.
template <class F>
void activation_backward(std::int64_t n, const Bf16* x, const Bf16* y, const Bf16* dy, Bf16* dx, ThreadPool& pool) {
  detail::for_pieces(n, pool, [=](std::int64_t first, std::int64_t count) {
    float before[detail::piece], after[detail::piece], gradient[detail::piece], result[detail::piece];
    if (x) widen(count, x + first, before);
    widen(count, y + first, after);
    widen(count, dy + first, gradient);
    ActivationOf<F>::backward(count, x ? static_cast<const float*>(before) : nullptr, static_cast<const float*>(after),
                              static_cast<const float*>(gradient), result);
    round(count, result, dx + first);
  });
}

// y may be a or b.
inline void add_forward(std::int64_t n, const Bf16* a, const Bf16* b, Bf16* y, ThreadPool& pool) {
  detail::for_pieces(n, pool, [=](std::int64_t first, std::int64_t count) {
    float left[detail::piece], right[detail::piece];
    widen(count, a + first, left);
    widen(count, b + first, right);
    for (std::int64_t i = 0; i < count; ++i) left[i] += right[i];
    round(count, left, y + first);
  });
}

// The masks are those of float32 (backend/cpu/dropout.hpp). Forward and backward.
inline void dropout(std::int64_t n, double rate, const Random& random, const Bf16* x, Bf16* y, ThreadPool& pool) {
  const float scale = static_cast<float>(1 / (1 - rate));
  const std::uint32_t threshold = static_cast<std::uint32_t>(std::ceil(rate * 0x1p24));
  detail::for_pieces(n, pool, [=](std::int64_t first, std::int64_t count) {
    float values[detail::piece];
    widen(count, x + first, values);
    for (std::int64_t i = 0; i < count; i += 4) {  // pieces are multiples of 4, so that blocks of numbers lie within one
      const auto words = random.block(static_cast<std::uint64_t>(first + i) / 4);
      for (std::int64_t j = i; j < std::min(i + 4, count); ++j)
        values[j] = words[static_cast<std::size_t>(j - i)] >> 8 >= threshold ? values[j] * scale : 0.f;
    }
    round(count, values, y + first);
  });
}
inline void drop_samples(int batch, std::int64_t size, double rate, const Random& random, const Bf16* x, Bf16* y,
                         ThreadPool& pool) {
  const float scale = static_cast<float>(1 / (1 - rate));
  for_elements(
      batch, pool,
      [=](std::int64_t sample) {
        const bool dropped = static_cast<double>(random.uniform(static_cast<std::uint64_t>(sample))) < rate;
        for (std::int64_t i = sample * size; i < (sample + 1) * size; ++i)
          y[i] = dropped ? Bf16(0) : Bf16(static_cast<float>(x[i]) * scale);
      },
      std::max<std::int64_t>(1, 16384 / size));
}

}  // namespace strata::inline STRATA_ABI::cpu::bf16
