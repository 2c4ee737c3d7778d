// SPDX-License-Identifier: BSL-1.0
// Activations: forward from inputs, backward from outputs, each may write over what it reads.
#pragma once
#include <strata/backend/eigen/chunks.hpp>

namespace strata::eigen {

template <class T>
void relu_forward(std::int64_t n, const T* x, T* y, ThreadPool& pool) {
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
    // Not max(x, 0): that would turn NaN into 0.
    for (std::int64_t i = first; i < first + count; ++i) y[i] = x[i] < T{0} ? T{0} : x[i];
  });
}
template <class T>
void relu_backward(std::int64_t n, const T* y, const T* dy, T* dx, ThreadPool& pool) {
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) {
    for (std::int64_t i = first; i < first + count; ++i) dx[i] = y[i] > T{0} ? dy[i] : T{0};
  });
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

}  // namespace strata::eigen
