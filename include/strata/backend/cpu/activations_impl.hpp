// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <strata/backend/cpu/activations.hpp>
#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/simd.hpp>
#include <strata/backend/cpu/vector_activations.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu {

namespace detail {

// to[i] = from[i], or 0. Forward: 0 if test[i] < 0 (test is from, and a NaN stays). Backward: 0 unless test[i] > 0.
template <class T, bool Backward>
struct ReluKernel {
  template <int Bytes>
  STRATA_INLINE static void run(std::int64_t n, const T* test, const T* from, T* to) {
    constexpr int lanes = lanes_of<T, Bytes>;
    const vector<T, Bytes> zero{};
    std::int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
      vector<T, Bytes> t, v;
      load(t, test + i);
      load(v, from + i);
      if constexpr (Backward)
        v = t > zero ? v : zero;
      else
        v = t < zero ? zero : v;
      store(to + i, v);
    }
    for (; i < n; ++i) to[i] = (Backward ? test[i] > T{0} : !(test[i] < T{0})) ? from[i] : T{0};
  }
  using table = versions<ReluKernel, std::int64_t, const T*, const T*, T*>;
};

template <InVectors F>
void forward_in_vectors(std::int64_t n, const float* x, float* y) {
  ActivationKernel<F, false>::table::of(path_now())(n, x, nullptr, y);
}
template <InVectors F>
void backward_in_vectors(std::int64_t n, const float* x_or_y, const float* dy, float* dx) {
  ActivationKernel<F, true>::table::of(path_now())(n, x_or_y, dy, dx);
}
STRATA_DEFINE void clip_forward(std::int64_t n, float low, float high, const float* x, float* y) {
  ClipKernel<false>::table::of(path_now())(n, low, high, x, nullptr, y);
}
STRATA_DEFINE void clip_backward(std::int64_t n, float low, float high, const float* y, const float* dy, float* dx) {
  ClipKernel<true>::table::of(path_now())(n, low, high, y, dy, dx);
}

#if defined(STRATA_COMPILED)
#define STRATA_INSTANTIATE(F)                                              \
  template void forward_in_vectors<F>(std::int64_t, const float*, float*); \
  template void backward_in_vectors<F>(std::int64_t, const float*, const float*, float*);
STRATA_INSTANTIATE(GELU)
STRATA_INSTANTIATE(GELUTanh)
STRATA_INSTANTIATE(SiLU)
STRATA_INSTANTIATE(Sigmoid)
STRATA_INSTANTIATE(HardSigmoid)
STRATA_INSTANTIATE(HardSwish)
#undef STRATA_INSTANTIATE
#endif

}  // namespace detail

template <class T>
void ActivationOf<ReLU>::forward(std::int64_t n, const T* x, T* y) {
  detail::ReluKernel<T, false>::table::of(detail::path_now())(n, x, x, y);
}
template <class T>
void ActivationOf<ReLU>::backward(std::int64_t n, const T* /*x*/, const T* y, const T* dy, T* dx) {
  detail::ReluKernel<T, true>::table::of(detail::path_now())(n, y, dy, dx);
}
// Eigen's tanh works on vectors.
template <class T>
void ActivationOf<Tanh>::forward(std::int64_t n, const T* x, T* y) {
  Array<T>(y, n) = ConstArray<T>(x, n).tanh();
}
template <class T>
void ActivationOf<Tanh>::backward(std::int64_t n, const T* /*x*/, const T* y, const T* dy, T* dx) {
  Array<T>(dx, n) = ConstArray<T>(dy, n) * (T{1} - ConstArray<T>(y, n).square());
}
template <class T>
void scale(std::int64_t n, T factor, const T* x, T* y) {
  Array<T>(y, n) = factor * ConstArray<T>(x, n);
}

#if defined(STRATA_COMPILED)
#define STRATA_INSTANTIATE(F, T)                                      \
  template void ActivationOf<F>::forward(std::int64_t, const T*, T*); \
  template void ActivationOf<F>::backward(std::int64_t, const T*, const T*, const T*, T*);
STRATA_INSTANTIATE(ReLU, float)
STRATA_INSTANTIATE(ReLU, double)
STRATA_INSTANTIATE(Tanh, float)
STRATA_INSTANTIATE(Tanh, double)
#undef STRATA_INSTANTIATE
template void scale(std::int64_t, float, const float*, float*);
template void scale(std::int64_t, double, const double*, double*);
#endif

}  // namespace strata::inline STRATA_ABI::cpu
