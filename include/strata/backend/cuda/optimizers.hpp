// SPDX-License-Identifier: BSL-1.0
// Updates of parameters on a device. The numbers that change from step to step are read there.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include <strata/backend/cuda/element.hpp>
#include <strata/core/linkage.hpp>
#include <strata/optimizers/update.hpp>

namespace strata::inline STRATA_ABI::cuda {

// In place of 1 in StepScore::finite: the loss is a number, but the norm of its gradients is not.
inline constexpr std::int32_t gradients_not_finite = -1;

namespace detail {

// w[i] becomes element(w[i], g[i], the slots of i), unless *halt is not 0. copy, if not null, gets the new weight in the
// type of activations. Slot k of parameter i is slot_data[k * stride + i].
template <class Element, class A>
struct UpdateParameter {
  const Element* element;
  const std::int32_t* halt;
  float* w;
  const float* g;
  float* slot_data;
  std::int64_t stride;
  A* copy;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    if (*halt != 0) return;
    const float next = (*element)(w[i], g[i], SlotsOf<float>{slot_data, stride, i});
    w[i] = next;
    if (copy) copy[i] = A(next);
  }
};

// y = a * x + (accumulate ? y : 0)
struct ScaleAdd {
  float a;
  const float* x;
  bool accumulate;
  float* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const { y[i] = a * x[i] + (accumulate ? y[i] : 0.f); }
};

// sums[part] is the sum of every parts-th element, or of its square, so that adjacent indices read adjacent elements.
template <class Number, bool Squares>
struct SumParts {
  std::int64_t n, parts;
  const Number* from;
  double* sums;
  STRATA_HOST_DEVICE void operator()(std::int64_t part) const {
    double sum = 0;
    for (std::int64_t i = part; i < n; i += parts) {
      const double x = static_cast<double>(from[i]);
      sum += Squares ? x * x : x;
    }
    sums[part] = sum;
  }
};
// The factor that brings the norm to the limit: 1 if it is small enough, and if it is infinite or NaN, which halts.
struct ScaleOfNorm {
  std::int64_t n;
  double limit;
  const double* from;
  double* scale;
  std::int32_t *halt, *finite;
  STRATA_HOST_DEVICE void operator()(std::int64_t) const {
    double square = 0;
    for (std::int64_t i = 0; i < n; ++i) square += from[i];
    const double norm = std::sqrt(square);
    const bool number = norm - norm == 0;
    *scale = number && norm > limit ? limit / norm : 1;
    if (number || *halt != 0) return;
    *finite = gradients_not_finite;
    *halt = 1;
  }
};
struct Scale {
  const double* scale;
  float* g;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    if (*scale != 1) g[i] *= static_cast<float>(*scale);
  }
};

// The number of sums of the first stage, which fill a device, and of the second, which one index adds up.
constexpr std::int64_t norm_parts(std::int64_t n) { return std::clamp<std::int64_t>(n / 32, 1, 32768); }
constexpr std::int64_t second_norm_parts(std::int64_t n) { return std::min<std::int64_t>(norm_parts(n), 128); }

}  // namespace detail

// Updates n parameters by the element at `element`, on the device.
template <Run R, class Element, class A>
void update(R& run, std::int64_t n, const Element* element, const std::int32_t* halt, float* w, const float* g,
            float* slot_data, std::int64_t stride, A* copy) {
  run(n, detail::UpdateParameter<Element, A>{element, halt, w, g, slot_data, stride, copy});
}

// Elements of scratch.
constexpr std::int64_t clip_by_norm_scratch(std::int64_t n) {
  return detail::norm_parts(n) + detail::second_norm_parts(n) + 1;
}
// Scales g to the norm `limit` if its own is larger. If its own is infinite or NaN, g stays; *halt becomes 1 and *finite
// gradients_not_finite, unless *halt was 1 before. The sum is in double precision and stays on the device.
template <Run R>
void clip_by_norm(R& run, std::int64_t n, double limit, float* g, double* scratch, std::int32_t* halt,
                  std::int32_t* finite) {
  const std::int64_t parts = detail::norm_parts(n), second = detail::second_norm_parts(n);
  double *sums = scratch + parts, *scale = sums + second;
  run(parts, detail::SumParts<float, true>{n, parts, g, scratch});
  run(second, detail::SumParts<double, false>{parts, second, scratch, sums});
  run(1, detail::ScaleOfNorm{second, limit, sums, scale, halt, finite});
  run(n, detail::Scale{scale, g});
}

}  // namespace strata::inline STRATA_ABI::cuda
