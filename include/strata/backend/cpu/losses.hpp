// SPDX-License-Identifier: BSL-1.0
// Losses on the processor: one value a row into `values` (rows), and the gradient of their mean into `gradient`
// (rows,width) unless that is null.
#pragma once
#include <cmath>
#include <cstdint>
#include <type_traits>

#include <strata/backend/cpu/chunks.hpp>
#include <strata/losses/losses.hpp>

namespace strata::cpu {

// Any loss, row by row. Element: int for class indices (rows), float for numbers (rows,width).
template <class Loss, class T, class Element>
void run_loss_by_rows(const Loss& loss, std::int64_t rows, int width, const T* x, const Element* target, T* values,
                      T* gradient, ThreadPool& pool) {
  constexpr bool label = std::is_same_v<Element, int>;
  for_rows(rows, width, pool, [=](std::int64_t i) {
    values[i] = loss(LossRow<T, T, Element>{.count = width,
                                            .outputs = x + i * width,
                                            .truth = target + i * (label ? 1 : width),
                                            .slope = gradient ? gradient + i * width : nullptr,
                                            .rows = static_cast<T>(rows)});
  });
}

// Where a faster way than row by row is known, it is an overload here.
template <class Loss, class T, class Element>
void run_loss(const Loss& loss, std::int64_t rows, int width, const T* x, const Element* target, T* values, T* gradient,
              ThreadPool& pool) {
  run_loss_by_rows(loss, rows, width, x, target, values, gradient, pool);
}

// Vectorised exponentials.
template <class T>
void run_loss(const SoftmaxCrossEntropy& loss, std::int64_t rows, int width, const T* x, const int* labels, T* values,
              T* gradient, ThreadPool& pool) {
  if (loss.label_smoothing != 0) return run_loss_by_rows(loss, rows, width, x, labels, values, gradient, pool);
  for_rows(rows, width, pool, [=](std::int64_t i) {
    const ConstArray<T> in(x + i * width, width);
    const T top = in.maxCoeff();
    const T sum = (in - top).exp().sum();
    values[i] = std::log(sum) - (in[labels[i]] - top);
    if (!gradient) return;
    Array<T> g(gradient + i * width, width);
    g = (in - top).exp() / sum;
    g[labels[i]] -= T{1};
    g /= static_cast<T>(rows);
  });
}

}  // namespace strata::cpu
