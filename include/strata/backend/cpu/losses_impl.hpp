// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <cmath>

#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/losses.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu {

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

#if defined(STRATA_COMPILED)
template void run_loss(const SoftmaxCrossEntropy&, std::int64_t, int, const float*, const int*, float*, float*,
                       ThreadPool&);
template void run_loss(const SoftmaxCrossEntropy&, std::int64_t, int, const double*, const int*, double*, double*,
                       ThreadPool&);
#endif

}  // namespace strata::inline STRATA_ABI::cpu
