// SPDX-License-Identifier: BSL-1.0
// An activation that the kernels of BatchNorm compute with it, so that it needs no pass over memory of its own.
#pragma once
#include <cstdint>
#include <type_traits>

#include <strata/backend/cpu/activations.hpp>
#include <strata/core/linkage.hpp>
#include <strata/layers/activations.hpp>
#include <strata/model/chain.hpp>

namespace strata::inline STRATA_ABI::cpu {

// Limits, as of a ReLU, which need no call; or functions as those of ActivationOf.
template <class T>
struct NormActivation {
  Limits limits = {};
  void (*forward)(std::int64_t n, T* y) = nullptr;  // in place
  void (*backward)(std::int64_t n, const T* x, const T* y, const T* dy, T* dx) = nullptr;
  bool from_output = false;  // backward takes no x
  // Backward reads beta, which is the normalization's and may be null, and y, which is the activation's output. It writes
  // the gradient of the activation's input to `between`, which may be dy if backward takes no x.
  const T* beta = nullptr;
  const T* y = nullptr;
  T* between = nullptr;
};

template <class F, class T>
NormActivation<T> norm_activation() {
  NormActivation<T> a;
  if constexpr (std::is_same_v<F, ReLU>) {
    a.limits = Limits::of_relu();
  } else if constexpr (strata::detail::is_clip<F>) {
    a.limits = {F::low, F::high};
  } else {
    a.forward = [](std::int64_t n, T* y) { ActivationOf<F>::forward(n, static_cast<const T*>(y), y); };
    a.backward = [](std::int64_t n, const T* x, const T* y, const T* dy, T* dx) {
      ActivationOf<F>::backward(n, x, y, dy, dx);
    };
    a.from_output = strata::detail::BackwardFromOutput<F>;
  }
  return a;
}

}  // namespace strata::inline STRATA_ABI::cpu
