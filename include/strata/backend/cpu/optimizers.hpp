// SPDX-License-Identifier: BSL-1.0
// Updates of all parameters at once; n numbers each.
#pragma once
#include <array>
#include <cmath>
#include <cstddef>

#include <strata/backend/cpu/chunks.hpp>

namespace strata::cpu {

// Scales g to the norm `limit` where its own is larger and finite. Summed in double precision in fixed shares, so that
// threads have no say.
template <class T>
void clip_by_norm(std::int64_t n, double limit, T* g, ThreadPool& pool) {
  constexpr int shares = 64;
  std::array<double, shares> sums{};
  pool.parallel_for(shares, [=, &sums](int share, int) {
    double sum = 0;
    for (std::int64_t i = n * share / shares, end = n * (share + 1) / shares; i < end; ++i)
      sum += static_cast<double>(g[i]) * static_cast<double>(g[i]);
    sums[static_cast<std::size_t>(share)] = sum;
  });
  double square = 0;
  for (const double sum : sums) square += sum;
  const double norm = std::sqrt(square);
  if (!(norm > limit) || !std::isfinite(norm)) return;
  const T scale = static_cast<T>(limit / norm);
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) { Array<T>(g + first, count) *= scale; }, 65536);
}

// Keras' form: v = momentum v - rate g; w += v, or with Nesterov w += momentum v - rate g. weight_decay adds decay w to g
// (L2, as in the AlexNet paper). A null velocity is plain descent.
template <class T>
void sgd_update(std::int64_t n, T rate, T momentum, bool nesterov, T weight_decay, T* w, const T* g, T* velocity,
                ThreadPool& pool) {
  for_chunks(
      n, pool,
      [=](std::int64_t first, std::int64_t count) {
        T* __restrict weight = w + first;
        const T* __restrict gradient = g + first;
        if (!velocity) {
          for (std::int64_t i = 0; i < count; ++i) weight[i] -= rate * (gradient[i] + weight_decay * weight[i]);
          return;
        }
        T* __restrict v = velocity + first;
        for (std::int64_t i = 0; i < count; ++i) {
          const T pull = rate * (gradient[i] + weight_decay * weight[i]);
          v[i] = momentum * v[i] - pull;
          weight[i] += nesterov ? momentum * v[i] - pull : v[i];
        }
      },
      65536);
}

// Kingma, Ba 2015, with the bias corrections folded into the rate and epsilon outside the root as Keras has it; decoupled:
// Loshchilov, Hutter 2019. `step` counts from 1.
template <class T>
void adam_update(std::int64_t n, T rate, T beta1, T beta2, T epsilon, T weight_decay, bool decoupled, std::int64_t step,
                 T* w, const T* g, T* m, T* v, ThreadPool& pool) {
  const double t = static_cast<double>(step);
  const T corrected = static_cast<T>(static_cast<double>(rate) * std::sqrt(1 - std::pow(static_cast<double>(beta2), t)) /
                                     (1 - std::pow(static_cast<double>(beta1), t)));
  for_chunks(
      n, pool,
      [=](std::int64_t first, std::int64_t count) {
        for (std::int64_t i = first; i < first + count; ++i) {
          const T gradient = decoupled ? g[i] : g[i] + weight_decay * w[i];
          m[i] += (gradient - m[i]) * (T{1} - beta1);
          v[i] += (gradient * gradient - v[i]) * (T{1} - beta2);
          if (decoupled) w[i] -= rate * weight_decay * w[i];
          w[i] -= corrected * m[i] / (std::sqrt(v[i]) + epsilon);
        }
      },
      65536);
}

}  // namespace strata::cpu
