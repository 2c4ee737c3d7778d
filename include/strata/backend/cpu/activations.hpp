// SPDX-License-Identifier: BSL-1.0
// Activations on the CPU: any struct of layers/activations.hpp element by element, and faster ways for a few.
#pragma once
#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/simd.hpp>
#include <strata/layers/activations.hpp>

namespace strata::cpu {

namespace detail {

// to[i] = from[i], or 0. Forward: 0 if test[i] < 0 (test is from, and a NaN stays). Backward: 0 unless test[i] > 0.
template <class T, bool Backward>
struct ReluKernel {
  template <int Bytes>
  STRATA_INLINE static void run(std::int64_t n, const T* test, const T* from, T* to) {
    constexpr int lanes = lanes_of<T, Bytes>;
    const vector<T, Bytes> zero{};
    std::int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
      vector<T, Bytes> t, v;
      load(t, test + i);
      load(v, from + i);
      if constexpr (Backward)
        v = t > zero ? v : zero;
      else
        v = t < zero ? zero : v;
      store(to + i, v);
    }
    for (; i < n; ++i) to[i] = (Backward ? test[i] > T{0} : !(test[i] < T{0})) ? from[i] : T{0};
  }
  using table = versions<ReluKernel, std::int64_t, const T*, const T*, T*>;
};

}  // namespace detail

// The activation F over n elements, of which the caller makes a chunk. Specialize it for a faster way.
template <class F>
struct ActivationOf {
  template <class T>
  static void forward(std::int64_t n, const T* x, T* y) {
    for (std::int64_t i = 0; i < n; ++i) y[i] = F::forward(x[i]);
  }
  // x is null if F::backward does not take it.
  template <class T>
  static void backward(std::int64_t n, const T* x, const T* y, const T* dy, T* dx) {
    for (std::int64_t i = 0; i < n; ++i)
      if constexpr (strata::detail::BackwardFromOutput<F>)
        dx[i] = F::backward(y[i], dy[i]);
      else
        dx[i] = F::backward(x[i], y[i], dy[i]);
  }
};

template <>
struct ActivationOf<ReLU> {
  template <class T>
  static void forward(std::int64_t n, const T* x, T* y) {
    detail::ReluKernel<T, false>::table::of(detail::path_now())(n, x, x, y);
  }
  template <class T>
  static void backward(std::int64_t n, const T* /*x*/, const T* y, const T* dy, T* dx) {
    detail::ReluKernel<T, true>::table::of(detail::path_now())(n, y, dy, dx);
  }
};
// Eigen's exp and tanh work on vectors.
template <>
struct ActivationOf<Sigmoid> {
  template <class T>
  static void forward(std::int64_t n, const T* x, T* y) {
    Array<T>(y, n) = ((-ConstArray<T>(x, n)).exp() + T{1}).inverse();
  }
  template <class T>
  static void backward(std::int64_t n, const T* /*x*/, const T* y, const T* dy, T* dx) {
    const ConstArray<T> out(y, n);
    Array<T>(dx, n) = ConstArray<T>(dy, n) * out * (T{1} - out);
  }
};
template <>
struct ActivationOf<Tanh> {
  template <class T>
  static void forward(std::int64_t n, const T* x, T* y) {
    Array<T>(y, n) = ConstArray<T>(x, n).tanh();
  }
  template <class T>
  static void backward(std::int64_t n, const T* /*x*/, const T* y, const T* dy, T* dx) {
    Array<T>(dx, n) = ConstArray<T>(dy, n) * (T{1} - ConstArray<T>(y, n).square());
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

}  // namespace strata::cpu
