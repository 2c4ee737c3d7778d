// SPDX-License-Identifier: BSL-1.0
// Activations over vectors of floats. Their exp has an error of at most one unit in the last place.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <strata/backend/cpu/simd.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/core/linkage.hpp>
#include <strata/layers/activations.hpp>

namespace strata::inline STRATA_ABI::cpu::detail {

// exp(x) = 2^k exp(r) with |r| <= log(2) / 2. exp(r) = 1 + r + r^2 p(r); p interpolates at the five Chebyshev nodes.
// Results below the smallest float are 0, beyond the largest infinite; a NaN stays.
template <int Bytes>
STRATA_INLINE void exponential(const vector<float, Bytes>& given, vector<float, Bytes>& y) {
  using numbers = vector<float, Bytes>;
  using integers = vector<std::int32_t, Bytes>;
  numbers least, most;
  fill(least, -104.f), fill(most, 89.f);
  numbers x = given < least ? least : given;
  x = x > most ? most : x;
  constexpr float to_integer = 12582912.f;  // 1.5 * 2^23: added, it rounds to a whole number, which the last bits hold
  const numbers shifted = x * 1.44269504088896341f + to_integer;
  const integers k = reinterpret_cast<integers>(shifted) - 0x4b400000;
  const numbers whole = shifted - to_integer;
  // log(2) in two parts, of which the product with the first is exact.
  const numbers r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  numbers p = r * 1.39261835877e-3f + 8.36317905272e-3f;
  p = p * r + 4.16665546172e-2f;
  p = p * r + 1.66665769897e-1f;
  p = p * r + 0.5f;
  p = p * (r * r) + r + 1.f;
  // In two factors, since 2^k alone may be no float.
  const integers half = k >> 1, first = (half + 127) << 23, second = (k - half + 127) << 23;
  y = p * reinterpret_cast<numbers>(first) * reinterpret_cast<numbers>(second);
}

// 1 / (1 + exp(-x))
template <int Bytes>
STRATA_INLINE void logistic(const vector<float, Bytes>& x, vector<float, Bytes>& y) {
  exponential<Bytes>(-x, y);
  y = 1.f / (1.f + y);
}

// P(X <= x) for a normal X, and exp(-x^2 / 2). The probability beyond t = |x| is exp(-t^2 / 2) u p(u), u = 1 / (1 + 0.35
// t); p interpolates at nine Chebyshev nodes of t in [0, 14.5], with a relative error of 4e-8.
template <int Bytes>
STRATA_INLINE void normal_below(const vector<float, Bytes>& x, vector<float, Bytes>& below, vector<float, Bytes>& bell) {
  using numbers = vector<float, Bytes>;
  using integers = vector<std::int32_t, Bytes>;
  const numbers zero{}, t = reinterpret_cast<numbers>(reinterpret_cast<integers>(x) & 0x7fffffff);  // without the sign
  exponential<Bytes>(-0.5f * t * t, bell);
  const numbers u = 1.f / (1.f + 0.35f * t);
  numbers p = u * -2.97322758107e-2f + 1.46783986077e-1f;
  p = p * u - 2.61410543238e-1f;
  p = p * u + 1.6551016483e-1f;
  p = p * u - 2.73219105835e-2f;
  p = p * u + 1.07212499401e-1f;
  p = p * u + 1.19425092658e-1f;
  p = p * u + 1.39914333902e-1f;
  p = p * u + 1.39618635013e-1f;
  const numbers beyond = p * u * bell;
  below = x < zero ? beyond : 1.f - beyond;
}

// One vector of an activation F: forward(x, y), and backward(a, dy, dx) where a is x, or y if F computes its gradient from
// the output. No two comparisons decide about the same values: g++ 12 would join them and make scalar code with AVX-512.
template <class F>
struct VectorForm;

template <>
struct VectorForm<GELU> {
  template <int Bytes>
  STRATA_INLINE static void forward(const vector<float, Bytes>& x, vector<float, Bytes>& y) {
    vector<float, Bytes> below, bell;
    normal_below<Bytes>(x, below, bell);
    y = x * below;
  }
  template <int Bytes>
  STRATA_INLINE static void backward(const vector<float, Bytes>& x, const vector<float, Bytes>& dy,
                                     vector<float, Bytes>& dx) {
    vector<float, Bytes> below, bell;
    normal_below<Bytes>(x, below, bell);
    dx = dy * (below + x * 0.39894228040143267794f * bell);
  }
};
template <>
struct VectorForm<GELUTanh> {
  static constexpr float factor = 0.79788456080286535588f, cubic = 0.79788456080286535588f * 0.044715f;
  template <int Bytes>
  STRATA_INLINE static void forward(const vector<float, Bytes>& x, vector<float, Bytes>& y) {
    vector<float, Bytes> share;
    logistic<Bytes>(2.f * x * (factor + cubic * x * x), share);
    y = x * share;
  }
  template <int Bytes>
  STRATA_INLINE static void backward(const vector<float, Bytes>& given, const vector<float, Bytes>& dy,
                                     vector<float, Bytes>& dx) {
    vector<float, Bytes> share, least, most;
    fill(least, -10.f), fill(most, 10.f);
    vector<float, Bytes> x = given < least ? least : given;
    x = x > most ? most : x;
    logistic<Bytes>(2.f * x * (factor + cubic * x * x), share);
    dx = dy * share * (1.f + 2.f * x * (1.f - share) * (factor + 3.f * cubic * x * x));
  }
};
template <>
struct VectorForm<SiLU> {
  template <int Bytes>
  STRATA_INLINE static void forward(const vector<float, Bytes>& x, vector<float, Bytes>& y) {
    logistic<Bytes>(x, y);
    y = x * y;
  }
  template <int Bytes>
  STRATA_INLINE static void backward(const vector<float, Bytes>& x, const vector<float, Bytes>& dy,
                                     vector<float, Bytes>& dx) {
    vector<float, Bytes> share;
    logistic<Bytes>(x, share);
    dx = dy * share * (1.f + x * (1.f - share));
  }
};
template <>
struct VectorForm<Sigmoid> {
  template <int Bytes>
  STRATA_INLINE static void forward(const vector<float, Bytes>& x, vector<float, Bytes>& y) {
    logistic<Bytes>(x, y);
  }
  template <int Bytes>
  STRATA_INLINE static void backward(const vector<float, Bytes>& y, const vector<float, Bytes>& dy,
                                     vector<float, Bytes>& dx) {
    dx = dy * y * (1.f - y);
  }
};
template <>
struct VectorForm<HardSigmoid> {
  template <int Bytes>
  STRATA_INLINE static void forward(const vector<float, Bytes>& x, vector<float, Bytes>& y) {
    const vector<float, Bytes> zero{};
    vector<float, Bytes> one;
    fill(one, 1.f);
    y = (x + 3.f) / 6.f;
    y = y < zero ? zero : y;
    y = y > one ? one : y;
  }
  template <int Bytes>
  STRATA_INLINE static void backward(const vector<float, Bytes>& y, const vector<float, Bytes>& dy,
                                     vector<float, Bytes>& dx) {
    const vector<float, Bytes> zero{};
    vector<float, Bytes> one;
    fill(one, 1.f);
    const vector<float, Bytes> below_one = y < one ? y : zero;
    dx = below_one > zero ? dy / 6.f : zero;
  }
};
template <>
struct VectorForm<HardSwish> {
  template <int Bytes>
  STRATA_INLINE static void forward(const vector<float, Bytes>& x, vector<float, Bytes>& y) {
    vector<float, Bytes> share, least;
    fill(least, -3.f);
    const vector<float, Bytes> at = x < least ? least : x;  // else -inf becomes a NaN
    VectorForm<HardSigmoid>::forward<Bytes>(at, share);
    y = at * share;
  }
  template <int Bytes>
  STRATA_INLINE static void backward(const vector<float, Bytes>& x, const vector<float, Bytes>& dy,
                                     vector<float, Bytes>& dx) {
    const vector<float, Bytes> zero{};
    vector<float, Bytes> three, flat;
    fill(three, 3.f), fill(flat, -1.5f);  // where the gradient is 0
    const vector<float, Bytes> at = x > -three ? x : flat;
    dx = dy * (2.f * at + 3.f) / 6.f;
    dx = at == flat ? zero : dx;  // also for an infinite dy
    dx = x >= three ? dy : dx;
  }
};

// The last elements, which do not fill a vector, go through memory that does.
template <class F, bool Backward>
struct ActivationKernel {
  template <int Bytes>
  STRATA_INLINE static void run(std::int64_t n, const float* from, const float* dy, float* to) {
    constexpr int lanes = lanes_of<float, Bytes>;
    float last[2][std::size_t{lanes}]{};
    for (std::int64_t i = 0; i < n; i += lanes) {
      const bool whole = i + lanes <= n;
      if (!whole) {
        std::copy(from + i, from + n, last[0]);
        if (Backward) std::copy(dy + i, dy + n, last[1]);
      }
      step<Bytes>(whole ? from + i : last[0], whole && Backward ? dy + i : last[1], whole ? to + i : last[0]);
      if (!whole) std::copy_n(last[0], n - i, to + i);
    }
  }
  using table = versions<ActivationKernel, std::int64_t, const float*, const float*, float*>;

 private:
  template <int Bytes>
  STRATA_INLINE static void step(const float* from, const float* dy, float* to) {
    vector<float, Bytes> x, result;
    load(x, from);
    if constexpr (Backward) {
      vector<float, Bytes> gradient;
      load(gradient, dy);
      VectorForm<F>::template backward<Bytes>(x, gradient, result);
    } else {
      VectorForm<F>::template forward<Bytes>(x, result);
    }
    store(to, result);
  }
};

// The gradient where test is between the limits, and otherwise 0; forward, test limited to them.
template <bool Backward>
struct ClipKernel {
  template <int Bytes>
  STRATA_INLINE static void run(std::int64_t n, float low, float high, const float* test, const float* dy, float* to) {
    constexpr int lanes = lanes_of<float, Bytes>;
    const vector<float, Bytes> zero{};
    vector<float, Bytes> least, most;
    fill(least, low), fill(most, high);
    std::int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
      vector<float, Bytes> x, result;
      load(x, test + i);
      if constexpr (Backward) {
        load(result, dy + i);
        x = x < most ? x : least;
        result = x > least ? result : zero;
      } else {
        result = x < least ? least : x;
        result = result > most ? most : result;
      }
      store(to + i, result);
    }
    for (; i < n; ++i)
      if constexpr (Backward)
        to[i] = test[i] > low && test[i] < high ? dy[i] : 0;
      else
        to[i] = test[i] < low ? low : test[i] > high ? high : test[i];
  }
  using table = versions<ClipKernel, std::int64_t, float, float, const float*, const float*, float*>;
};

}  // namespace strata::inline STRATA_ABI::cpu::detail
