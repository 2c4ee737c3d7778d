// SPDX-License-Identifier: BSL-1.0
// Softmax and its logarithm over the last axis, (N,classes). The largest is subtracted first, so that nothing overflows.
#pragma once
#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu {

template <class T>
void softmax_forward(int batch, int classes, const T* x, T* y, ThreadPool& pool) {
  for_rows(batch, classes, pool, [=](std::int64_t i) {
    const ConstArray<T> in(x + i * classes, classes);
    Array<T> out(y + i * classes, classes);
    out = (in - in.maxCoeff()).exp();
    out /= out.sum();
  });
}
template <class T>
void softmax_backward(int batch, int classes, const T* y, const T* dy, T* dx, ThreadPool& pool) {
  for_rows(batch, classes, pool, [=](std::int64_t i) {
    const ConstArray<T> out(y + i * classes, classes), g(dy + i * classes, classes);
    const T dot = (out * g).sum();
    Array<T>(dx + i * classes, classes) = out * (g - dot);
  });
}

template <class T>
void log_softmax_forward(int batch, int classes, const T* x, T* y, ThreadPool& pool) {
  for_rows(batch, classes, pool, [=](std::int64_t i) {
    const ConstArray<T> in(x + i * classes, classes);
    const T top = in.maxCoeff();
    const T log_sum = std::log((in - top).exp().sum());
    Array<T>(y + i * classes, classes) = in - top - log_sum;
  });
}
template <class T>
void log_softmax_backward(int batch, int classes, const T* y, const T* dy, T* dx, ThreadPool& pool) {
  for_rows(batch, classes, pool, [=](std::int64_t i) {
    const ConstArray<T> out(y + i * classes, classes), g(dy + i * classes, classes);
    const T sum = g.sum();
    Array<T>(dx + i * classes, classes) = g - out.exp() * sum;
  });
}

}  // namespace strata::inline STRATA_ABI::cpu
