// SPDX-License-Identifier: BSL-1.0
// Activations, and the two softmaxes. All keep the shape.
//
// An activation is one struct, and runs on every backend: a name, forward(x) of one element, and one of
//   backward(y, dy)     the gradient from the output; the layer may then work in place
//   backward(x, y, dy)  the gradient from the input too; the layer then has an output buffer of its own
// T is float or double; a backend converts bfloat16 before and after. A NaN must stay a NaN in forward.
//   struct SiLU : Activation<Values::any> {
//     static constexpr const char* name = "SiLU";
//     template <class T> STRATA_HOST_DEVICE static T forward(T x) { return x / (1 + std::exp(-x)); }
//     template <class T> STRATA_HOST_DEVICE static T backward(T x, T y, T dy) { ... }
//   };
#pragma once
#include <array>
#include <cmath>

#include <strata/core/host_device.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/options.hpp>

namespace strata {

inline namespace STRATA_ABI {
namespace detail {
constexpr LayerInfo keep_flat(Shape in, Values values) {
  LayerInfo s = keep(in, values);
  if (!in.flat) s.fault = Fault::needs_flat_input, s.got = saturating_size(in);
  return s;
}

template <class L>
concept BackwardFromOutput = requires { L::template backward<float>(0.f, 0.f); };
template <class L>
concept BackwardFromInput = requires { L::template backward<float>(0.f, 0.f, 0.f); };
// A layer that is computed element by element.
template <class L>
concept Elementwise = requires { L::template forward<float>(0.f); } && (BackwardFromOutput<L> || BackwardFromInput<L>);
}  // namespace detail
}  // namespace STRATA_ABI

// What activations share: they keep the shape, and say which kind of values leave them.
template <Values Kind>
struct Activation {
  static constexpr Values values = Kind;
  static constexpr LayerInfo infer(Shape in) { return detail::keep(in, Kind); }
};

// max(x, 0)
struct ReLU : Activation<Values::rectified> {
  static constexpr const char* name = "ReLU";
  // Backward asks only whether y is above 0, and y is above 0 iff x is. See KernelTraits.
  static constexpr bool reads_signs = true, reads_output = false, keeps_signs = true;
  template <class T>
  STRATA_HOST_DEVICE static T forward(T x) {
    return x < T{0} ? T{0} : x;  // a NaN is not below 0
  }
  template <class T>
  STRATA_HOST_DEVICE static T backward(T y, T dy) {
    return y > T{0} ? dy : T{0};
  }
};
// x if x > 0, else Slope x; Slope is at least 0. Keras 3 and PyTorch differ in their defaults (0.3, 0.01); this is
// PyTorch's.
template <double Slope = 0.01>
struct LeakyReLUOf : Activation<Values::rectified> {
  static constexpr const char* name = "LeakyReLU";
  static constexpr double slope = Slope;
  static constexpr std::array numbers{Slope};
  static constexpr bool keeps_signs = true;
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s = detail::keep(in, Values::rectified);
    if (!(Slope >= 0)) s.fault = Fault::number_outside_range;  // y would not have the sign of x, which backward asks for
    return s;
  }
  template <class T>
  STRATA_HOST_DEVICE static T forward(T x) {
    return x < T{0} ? static_cast<T>(Slope) * x : x;
  }
  template <class T>
  STRATA_HOST_DEVICE static T backward(T y, T dy) {
    return y > T{0} ? dy : static_cast<T>(Slope) * dy;
  }
};
using LeakyReLU = LeakyReLUOf<>;
// 1 / (1 + exp(-x))
struct Sigmoid : Activation<Values::squashed> {
  static constexpr const char* name = "Sigmoid";
  template <class T>
  STRATA_HOST_DEVICE static T forward(T x) {
    return T{1} / (T{1} + std::exp(-x));
  }
  template <class T>
  STRATA_HOST_DEVICE static T backward(T y, T dy) {
    return dy * y * (T{1} - y);
  }
};
struct Tanh : Activation<Values::squashed> {
  static constexpr const char* name = "Tanh";
  static constexpr bool keeps_signs = true;
  template <class T>
  STRATA_HOST_DEVICE static T forward(T x) {
    return std::tanh(x);
  }
  template <class T>
  STRATA_HOST_DEVICE static T backward(T y, T dy) {
    return dy * (T{1} - y * y);
  }
};
// exp(x) / sum exp(x), over the flat vector: logits to probabilities.
struct Softmax {
  static constexpr const char* name = "Softmax";
  static constexpr LayerInfo infer(Shape in) { return detail::keep_flat(in, Values::probabilities); }
};
struct LogSoftmax {
  static constexpr const char* name = "LogSoftmax";
  static constexpr LayerInfo infer(Shape in) { return detail::keep_flat(in, Values::log_probabilities); }
};

}  // namespace strata
