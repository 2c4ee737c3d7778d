// SPDX-License-Identifier: BSL-1.0
// Updates of n parameters.
#pragma once
#include <cmath>
#include <cstdint>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::reference {

// Keras' form: v = momentum v - rate g; w += v, or with Nesterov w += momentum v - rate g. weight_decay adds decay w to g.
// Without a velocity it is plain descent.
template <class T>
void sgd_update(std::int64_t n, T rate, T momentum, bool nesterov, T weight_decay, T* w, const T* g, T* velocity) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T gradient = g[i] + weight_decay * w[i];
    if (!velocity) {
      w[i] -= rate * gradient;
      continue;
    }
    velocity[i] = momentum * velocity[i] - rate * gradient;
    w[i] += nesterov ? momentum * velocity[i] - rate * gradient : velocity[i];
  }
}

// Kingma, Ba 2015 in the form of the end of its section 2, epsilon outside the root as Keras has it; decoupled: Loshchilov,
// Hutter 2019. `step` counts from 1.
template <class T>
void adam_update(std::int64_t n, T rate, T beta1, T beta2, T epsilon, T weight_decay, bool decoupled, std::int64_t step,
                 T* w, const T* g, T* m, T* v) {
  using std::pow;
  using std::sqrt;
  const T t = static_cast<T>(step);
  const T corrected = rate * sqrt(T(1) - pow(beta2, t)) / (T(1) - pow(beta1, t));
  for (std::int64_t i = 0; i < n; ++i) {
    const T gradient = decoupled ? g[i] : g[i] + weight_decay * w[i];
    m[i] = beta1 * m[i] + (T(1) - beta1) * gradient;
    v[i] = beta2 * v[i] + (T(1) - beta2) * gradient * gradient;
    const T decay = decoupled ? rate * weight_decay * w[i] : T(0);
    w[i] -= decay + corrected * m[i] / (sqrt(v[i]) + epsilon);
  }
}

}  // namespace strata::inline STRATA_ABI::reference
