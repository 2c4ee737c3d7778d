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

// y may be x.
template <class T>
void relu_forward(std::int64_t n, const T* x, T* y, ThreadPool& pool) {
  const auto run = detail::ReluKernel<T, false>::table::of(detail::path_now());
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) { run(count, x + first, x + first, y + first); });
}
// dx may be dy.
template <class T>
void relu_backward(std::int64_t n, const T* y, const T* dy, T* dx, ThreadPool& pool) {
  const auto run = detail::ReluKernel<T, true>::table::of(detail::path_now());
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) { run(count, y + first, dy + first, dx + first); });
}

// The activation F over n elements. Specialize it for a faster way.
template <class F>
struct ActivationOf {
  template <class T>
  static void forward(std::int64_t n, const T* x, T* y, ThreadPool& pool) {
    for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
      for (std::int64_t i = first; i < first + count; ++i) y[i] = F::forward(x[i]);
    });
  }
  // x may be null if F::backward does not take it.
  template <class T>
  static void backward(std::int64_t n, const T* x, const T* y, const T* dy, T* dx, ThreadPool& pool) {
    for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
      for (std::int64_t i = first; i < first + count; ++i)
        if constexpr (strata::detail::BackwardFromOutput<F>)
          dx[i] = F::backward(y[i], dy[i]);
        else
          dx[i] = F::backward(x[i], y[i], dy[i]);
    });
  }
};

template <>
struct ActivationOf<ReLU> {
  template <class T>
  static void forward(std::int64_t n, const T* x, T* y, ThreadPool& pool) {
    relu_forward(n, x, y, pool);
  }
  template <class T>
  static void backward(std::int64_t n, const T* /*x*/, const T* y, const T* dy, T* dx, ThreadPool& pool) {
    relu_backward(n, y, dy, dx, pool);
  }
};
// Eigen's exp and tanh work on vectors.
template <>
struct ActivationOf<Sigmoid> {
  template <class T>
  static void forward(std::int64_t n, const T* x, T* y, ThreadPool& pool) {
    for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
      Array<T>(y + first, count) = ((-ConstArray<T>(x + first, count)).exp() + T{1}).inverse();
    });
  }
  template <class T>
  static void backward(std::int64_t n, const T* /*x*/, const T* y, const T* dy, T* dx, ThreadPool& pool) {
    for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
      const ConstArray<T> out(y + first, count);
      Array<T>(dx + first, count) = ConstArray<T>(dy + first, count) * out * (T{1} - out);
    });
  }
};
template <>
struct ActivationOf<Tanh> {
  template <class T>
  static void forward(std::int64_t n, const T* x, T* y, ThreadPool& pool) {
    for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
      Array<T>(y + first, count) = ConstArray<T>(x + first, count).tanh();
    });
  }
  template <class T>
  static void backward(std::int64_t n, const T* /*x*/, const T* y, const T* dy, T* dx, ThreadPool& pool) {
    for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
      Array<T>(dx + first, count) = ConstArray<T>(dy + first, count) * (T{1} - ConstArray<T>(y + first, count).square());
    });
  }
};

}  // namespace strata::cpu
