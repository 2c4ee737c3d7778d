// SPDX-License-Identifier: BSL-1.0
// Updates of all parameters at once; n numbers each. What changes from step to step is read on the device.
#pragma once
#include <algorithm>

#include <strata/backend/cuda/losses.hpp>

namespace strata::cuda {

// Of one update.
struct UpdateNumbers {
  float rate;
  float corrected;  // Adam's: rate * sqrt(1 - beta2^t) / (1 - beta1^t)
};

namespace detail {

template <class A>
struct SgdUpdate {
  const UpdateNumbers* numbers;
  const std::int32_t* halt;
  float momentum;
  bool nesterov;
  float weight_decay;
  float* w;
  const float* g;
  float* velocity;
  A* copy;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    if (*halt != 0) return;
    const float pull = numbers->rate * (g[i] + weight_decay * w[i]);
    float step = -pull;
    if (velocity) {
      const float v = momentum * velocity[i] - pull;
      velocity[i] = v;
      step = nesterov ? momentum * v - pull : v;
    }
    const float next = w[i] + step;
    w[i] = next;
    if (copy) copy[i] = A(next);
  }
};

template <class A>
struct AdamUpdate {
  const UpdateNumbers* numbers;
  const std::int32_t* halt;
  float beta1, beta2, epsilon, weight_decay;
  bool decoupled;
  float* w;
  const float* g;
  float *m, *v;
  A* copy;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    if (*halt != 0) return;
    const float weight = w[i], gradient = decoupled ? g[i] : g[i] + weight_decay * weight;
    const float mean = m[i] + (gradient - m[i]) * (1 - beta1), square = v[i] + (gradient * gradient - v[i]) * (1 - beta2);
    const float decayed = decoupled ? weight - numbers->rate * weight_decay * weight : weight;
    const float next = decayed - numbers->corrected * mean / (std::sqrt(square) + epsilon);
    m[i] = mean, v[i] = square, w[i] = next;
    if (copy) copy[i] = A(next);
  }
};

struct HaltUnlessFinite {
  const StepScore* score;
  std::int32_t* halt;
  STRATA_HOST_DEVICE void operator()(std::int64_t) const {
    if (score->finite == 0) *halt = 1;
  }
};

// sums[share] of the squares of every shares-th number, so that adjacent indices read adjacent numbers.
struct SumSquares {
  std::int64_t n, shares;
  const float* g;
  double* sums;
  STRATA_HOST_DEVICE void operator()(std::int64_t share) const {
    double sum = 0;
    for (std::int64_t i = share; i < n; i += shares) sum += static_cast<double>(g[i]) * static_cast<double>(g[i]);
    sums[share] = sum;
  }
};
// The same of sums.
struct SumSums {
  std::int64_t n, shares;
  const double* from;
  double* sums;
  STRATA_HOST_DEVICE void operator()(std::int64_t share) const {
    double sum = 0;
    for (std::int64_t i = share; i < n; i += shares) sum += from[i];
    sums[share] = sum;
  }
};
// What to scale by, 1 where the norm is small enough; one that is infinite or NaN stays what it is.
struct ScaleOfNorm {
  std::int64_t n;
  double limit;
  const double* from;
  double* scale;
  STRATA_HOST_DEVICE void operator()(std::int64_t) const {
    double square = 0;
    for (std::int64_t i = 0; i < n; ++i) square += from[i];
    const double norm = std::sqrt(square);
    *scale = norm > limit && norm - norm == 0 ? limit / norm : 1;
  }
};
struct Scale {
  const double* scale;
  float* g;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    if (*scale != 1) g[i] *= static_cast<float>(*scale);
  }
};

// Sums of the first stage, which fill a device, and of the second, which one index adds up.
constexpr std::int64_t norm_shares(std::int64_t n) { return std::clamp<std::int64_t>(n / 32, 1, 32768); }
constexpr std::int64_t norm_second_shares(std::int64_t n) { return std::min<std::int64_t>(norm_shares(n), 128); }

}  // namespace detail

// Keras' form: v = momentum v - rate g; w += v, or with Nesterov w += momentum v - rate g. weight_decay adds decay w to g
// (L2, as in the AlexNet paper). A null velocity is plain descent. `copy`, where it is not null, gets the new weights in
// the numbers that activations have. Nothing is done where *halt is not 0.
template <Run R, class A>
void sgd_update(R& run, std::int64_t n, const UpdateNumbers* numbers, const std::int32_t* halt, float momentum,
                bool nesterov, float weight_decay, float* w, const float* g, float* velocity, A* copy) {
  run(n, detail::SgdUpdate<A>{numbers, halt, momentum, nesterov, weight_decay, w, g, velocity, copy});
}

// Kingma, Ba 2015, with the bias corrections folded into the rate and epsilon outside the root as Keras has it; decoupled:
// Loshchilov, Hutter 2019. copy and halt as above.
template <Run R, class A>
void adam_update(R& run, std::int64_t n, const UpdateNumbers* numbers, const std::int32_t* halt, float beta1, float beta2,
                 float epsilon, float weight_decay, bool decoupled, float* w, const float* g, float* m, float* v, A* copy) {
  run(n, detail::AdamUpdate<A>{numbers, halt, beta1, beta2, epsilon, weight_decay, decoupled, w, g, m, v, copy});
}

// *halt becomes 1 where the loss is not finite, and then stays.
template <Run R>
void halt_unless_finite(R& run, const StepScore* score, std::int32_t* halt) {
  run(1, detail::HaltUnlessFinite{score, halt});
}

// Numbers of scratch.
constexpr std::int64_t clip_by_norm_scratch(std::int64_t n) {
  return detail::norm_shares(n) + detail::norm_second_shares(n) + 1;
}
// Scales g to the norm `limit` where its own is larger and finite. Summed in double precision, and never known to the host.
template <Run R>
void clip_by_norm(R& run, std::int64_t n, double limit, float* g, double* scratch) {
  const std::int64_t shares = detail::norm_shares(n), second = detail::norm_second_shares(n);
  double *sums = scratch + shares, *scale = sums + second;
  run(shares, detail::SumSquares{n, shares, g, scratch});
  run(second, detail::SumSums{shares, second, scratch, sums});
  run(1, detail::ScaleOfNorm{second, limit, sums, scale});
  run(n, detail::Scale{scale, g});
}

}  // namespace strata::cuda
