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

// Keras' form: epsilon under the root, the rate within the steps b that momentum adds up. a: null unless centered; b: null
// without momentum.
template <class T>
void rmsprop_update(std::int64_t n, T rate, T rho, T momentum, T epsilon, T weight_decay, T* w, const T* g, T* v, T* b,
                    T* a) {
  using std::sqrt;
  for (std::int64_t i = 0; i < n; ++i) {
    const T gradient = g[i] + weight_decay * w[i];
    v[i] = rho * v[i] + (T(1) - rho) * gradient * gradient;
    T spread = v[i];
    if (a) {
      a[i] = rho * a[i] + (T(1) - rho) * gradient;
      spread -= a[i] * a[i];
      if (spread < T(0)) spread = T(0);
    }
    T step = rate * gradient / sqrt(spread + epsilon);
    if (b) step = b[i] = momentum * b[i] + step;
    w[i] -= step;
  }
}

// Chen et al. 2023, algorithm 2.
template <class T>
void lion_update(std::int64_t n, T rate, T beta1, T beta2, T weight_decay, T* w, const T* g, T* m) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T mean = beta1 * m[i] + (T(1) - beta1) * g[i];
    w[i] -= rate * (T(mean > T(0)) - T(mean < T(0)) + weight_decay * w[i]);
    m[i] = beta2 * m[i] + (T(1) - beta2) * g[i];
  }
}

// You et al. 2020, algorithm 2, of one tensor; scratch (n). `step` counts from 1.
template <class T>
void lamb_update(std::int64_t n, T rate, T beta1, T beta2, T epsilon, T weight_decay, std::int64_t step, T* w, const T* g,
                 T* m, T* v, T* scratch) {
  using std::pow;
  using std::sqrt;
  const T t = static_cast<T>(step);
  T weights = T(0), steps = T(0);
  for (std::int64_t i = 0; i < n; ++i) {
    m[i] = beta1 * m[i] + (T(1) - beta1) * g[i];
    v[i] = beta2 * v[i] + (T(1) - beta2) * g[i] * g[i];
    const T mean = m[i] / (T(1) - pow(beta1, t)), square = v[i] / (T(1) - pow(beta2, t));
    scratch[i] = mean / (sqrt(square) + epsilon) + weight_decay * w[i];
    weights += w[i] * w[i], steps += scratch[i] * scratch[i];
  }
  const T trust = weights > T(0) && steps > T(0) ? sqrt(weights) / sqrt(steps) : T(1);
  for (std::int64_t i = 0; i < n; ++i) w[i] -= rate * trust * scratch[i];
}

}  // namespace strata::inline STRATA_ABI::reference
