// SPDX-License-Identifier: BSL-1.0
// Activations on the CPU: any struct of layers/activations.hpp element by element, and faster ways for a few.
#pragma once
#include <concepts>
#include <cstdint>
#include <type_traits>

#include <strata/backend/cpu/chunks.hpp>
#include <strata/core/linkage.hpp>
#include <strata/layers/activations.hpp>

namespace strata::inline STRATA_ABI::cpu {

namespace detail {
// Activations that vector_activations.hpp computes for floats.
template <class F>
concept InVectors = std::same_as<F, GELU> || std::same_as<F, GELUTanh> || std::same_as<F, SiLU> ||
                    std::same_as<F, Sigmoid> || std::same_as<F, HardSigmoid> || std::same_as<F, HardSwish>;
template <InVectors F>
void forward_in_vectors(std::int64_t n, const float* x, float* y);
template <InVectors F>
void backward_in_vectors(std::int64_t n, const float* x_or_y, const float* dy, float* dx);
void clip_forward(std::int64_t n, float low, float high, const float* x, float* y);
void clip_backward(std::int64_t n, float low, float high, const float* y, const float* dy, float* dx);
}  // namespace detail

// The activation F over n elements, of which the caller makes a chunk. Specialize it for a faster way.
template <class F>
struct ActivationOf {
  template <class T>
  static void forward(std::int64_t n, const T* x, T* y) {
    if constexpr (std::same_as<T, float> && detail::InVectors<F>)
      detail::forward_in_vectors<F>(n, x, y);
    else if constexpr (std::same_as<T, float> && strata::detail::is_clip<F>)
      detail::clip_forward(n, static_cast<float>(F::low), static_cast<float>(F::high), x, y);
    else
      for (std::int64_t i = 0; i < n; ++i) y[i] = F::forward(x[i]);
  }
  // x is null if F::backward does not take it.
  template <class T>
  static void backward(std::int64_t n, const T* x, const T* y, const T* dy, T* dx) {
    constexpr bool from_output = strata::detail::BackwardFromOutput<F>;
    if constexpr (std::same_as<T, float> && detail::InVectors<F>)
      detail::backward_in_vectors<F>(n, from_output ? y : x, dy, dx);
    else if constexpr (std::same_as<T, float> && strata::detail::is_clip<F>)
      detail::clip_backward(n, static_cast<float>(F::low), static_cast<float>(F::high), y, dy, dx);
    else
      for (std::int64_t i = 0; i < n; ++i)
        if constexpr (from_output)
          dx[i] = F::backward(y[i], dy[i]);
        else
          dx[i] = F::backward(x[i], y[i], dy[i]);
  }
};

// Faster ways.
template <>
struct ActivationOf<ReLU> {
  template <class T>
  static void forward(std::int64_t n, const T* x, T* y);
  template <class T>
  static void backward(std::int64_t n, const T* x, const T* y, const T* dy, T* dx);
};
template <>
struct ActivationOf<Tanh> {
  template <class T>
  static void forward(std::int64_t n, const T* x, T* y);
  template <class T>
  static void backward(std::int64_t n, const T* x, const T* y, const T* dy, T* dx);
};
// y = factor x; y may be x.
template <class T>
void scale(std::int64_t n, T factor, const T* x, T* y);
template <auto Factor>
struct ActivationOf<Scale<Factor>> {
  template <class T>
  static void forward(std::int64_t n, const T* x, T* y) {
    scale(n, static_cast<T>(Scale<Factor>::factor), x, y);
  }
  template <class T>
  static void backward(std::int64_t n, const T* /*x*/, const T* /*y*/, const T* dy, T* dx) {
    scale(n, static_cast<T>(Scale<Factor>::factor), dy, dx);
  }
};

// y may be x.
template <class F, class T>
void activation_forward(std::int64_t n, const T* x, T* y, ThreadPool& pool) {
  for_chunks(n, pool,
             [=](std::int64_t first, std::int64_t count) { ActivationOf<F>::forward(count, x + first, y + first); });
}
// dx may be dy unless F::backward takes x; x may be null unless it does.
template <class F, class T>
void activation_backward(std::int64_t n, const T* x, const T* y, const T* dy, T* dx, ThreadPool& pool) {
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
    ActivationOf<F>::backward(count, x ? x + first : nullptr, y + first, dy + first, dx + first);
  });
}

}  // namespace strata::inline STRATA_ABI::cpu

#if !defined(STRATA_COMPILED)
#include <strata/backend/cpu/activations_impl.hpp>
#endif
