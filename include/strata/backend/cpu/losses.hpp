// SPDX-License-Identifier: BSL-1.0
// Losses on the processor: one value a row into `values` (rows), and the gradient of their mean into `gradient`
// (rows,width) unless that is null.
#pragma once
#include <cstdint>
#include <type_traits>

#include <strata/backend/cpu/chunks.hpp>
#include <strata/core/linkage.hpp>
#include <strata/losses/losses.hpp>

namespace strata::inline STRATA_ABI::cpu {

// Any loss, row by row. Element: int for class indices (rows,places), float for numbers (rows,width).
template <class Loss, class T, class Element>
void run_loss_by_rows(const Loss& loss, std::int64_t rows, int width, const T* x, const Element* target, T* values,
                      T* gradient, ThreadPool& pool, int places = 1) {
  constexpr bool label = std::is_same_v<Element, int>;
  for_rows(rows, width, pool, [=](std::int64_t i) {
    values[i] = loss(LossRow<T, T, Element>{.count = width,
                                            .outputs = x + i * width,
                                            .truth = target + i * (label ? places : width),
                                            .slope = gradient ? gradient + i * width : nullptr,
                                            .rows = static_cast<T>(rows),
                                            .places = places});
  });
}

// Where a faster way than row by row is known, it is an overload here.
template <class Loss, class T, class Element>
void run_loss(const Loss& loss, std::int64_t rows, int width, const T* x, const Element* target, T* values, T* gradient,
              ThreadPool& pool) {
  run_loss_by_rows(loss, rows, width, x, target, values, gradient, pool);
}

// Vectorized exponentials.
template <class T>
void run_loss(const SoftmaxCrossEntropy& loss, std::int64_t rows, int width, const T* x, const int* labels, T* values,
              T* gradient, ThreadPool& pool);

// A loss of a training step: of whole samples of several places, or of rows.
template <class Loss, class T, class Element>
void run_any_loss(const Loss& loss, std::int64_t rows, int width, int places, const T* x, const Element* target, T* values,
                  T* gradient, ThreadPool& pool) {
  if constexpr (strata::detail::whole_samples<Loss>())
    run_loss_by_rows(loss, rows, width, x, target, values, gradient, pool, places);
  else
    run_loss(loss, rows, width, x, target, values, gradient, pool);
}

}  // namespace strata::inline STRATA_ABI::cpu

#if !defined(STRATA_COMPILED)
#include <strata/backend/cpu/losses_impl.hpp>
#endif
