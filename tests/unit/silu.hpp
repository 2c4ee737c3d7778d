// SPDX-License-Identifier: BSL-1.0
// An activation of the user's, for all backends: one struct.
#pragma once
#include <cmath>

#include <strata/layers/activations.hpp>

// x / (1 + exp(-x)). Its backward needs x.
struct SiLU : strata::Activation<strata::Values::any> {
  static constexpr const char* name = "SiLU";
  template <class T>
  STRATA_HOST_DEVICE static T forward(T x) {
    return x / (T{1} + std::exp(-x));
  }
  template <class T>
  STRATA_HOST_DEVICE static T backward(T x, T y, T dy) {
    const T sigmoid = T{1} / (T{1} + std::exp(-x));
    return dy * (sigmoid + y * (T{1} - sigmoid));
  }
};
