// SPDX-License-Identifier: BSL-1.0
// Activations: forward from inputs, backward from outputs, each may write over what it reads.
#pragma once
#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/simd.hpp>

namespace strata::cpu {

namespace detail {

// to[i] = from[i], or 0 where `test[i]` is below 0 (forward, test is from: a NaN stays) or not above 0 (backward).
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

template <class T>
void relu_forward(std::int64_t n, const T* x, T* y, ThreadPool& pool) {
  const auto run = detail::ReluKernel<T, false>::table::of(detail::path_now());
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) { run(count, x + first, x + first, y + first); });
}
template <class T>
void relu_backward(std::int64_t n, const T* y, const T* dy, T* dx, ThreadPool& pool) {
  const auto run = detail::ReluKernel<T, true>::table::of(detail::path_now());
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) { run(count, y + first, dy + first, dx + first); });
}

template <class T>
void leaky_relu_forward(std::int64_t n, T slope, const T* x, T* y, ThreadPool& pool) {
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
    for (std::int64_t i = first; i < first + count; ++i) y[i] = x[i] < T{0} ? slope * x[i] : x[i];
  });
}
template <class T>
void leaky_relu_backward(std::int64_t n, T slope, const T* y, const T* dy, T* dx, ThreadPool& pool) {
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
    for (std::int64_t i = first; i < first + count; ++i) dx[i] = y[i] > T{0} ? dy[i] : slope * dy[i];
  });
}

template <class T>
void sigmoid_forward(std::int64_t n, const T* x, T* y, ThreadPool& pool) {
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
    Array<T>(y + first, count) = ((-ConstArray<T>(x + first, count)).exp() + T{1}).inverse();
  });
}
template <class T>
void sigmoid_backward(std::int64_t n, const T* y, const T* dy, T* dx, ThreadPool& pool) {
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
    const ConstArray<T> out(y + first, count);
    Array<T>(dx + first, count) = ConstArray<T>(dy + first, count) * out * (T{1} - out);
  });
}

template <class T>
void tanh_forward(std::int64_t n, const T* x, T* y, ThreadPool& pool) {
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
    Array<T>(y + first, count) = ConstArray<T>(x + first, count).tanh();
  });
}
template <class T>
void tanh_backward(std::int64_t n, const T* y, const T* dy, T* dx, ThreadPool& pool) {
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
    Array<T>(dx + first, count) = ConstArray<T>(dy + first, count) * (T{1} - ConstArray<T>(y + first, count).square());
  });
}

}  // namespace strata::cpu
