// SPDX-License-Identifier: BSL-1.0
// Activations, and the two softmaxes. All keep the shape.
//
// An activation is one struct, and runs on every backend: a name, forward(x) of one element, and one of
//   backward(y, dy)     the gradient from the output; the layer may then work in place
//   backward(x, y, dy)  the gradient from the input too; the layer then has an output buffer of its own
// T is float or double; a backend converts bfloat16 before and after. A NaN must stay a NaN in forward.
//   struct Mish : Activation<Values::rectified> {
//     static constexpr const char* name = "Mish";
//     template <class T> STRATA_HOST_DEVICE static T forward(T x) { return x * std::tanh(std::log1p(std::exp(x))); }
//     template <class T> STRATA_HOST_DEVICE static T backward(T x, T y, T dy) { ... }
//   };
#pragma once
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

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
// x P(X <= x) for a normal X, by the error function (Hendrycks, Gimpel 2016).
struct GELU : Activation<Values::rectified> {
  static constexpr const char* name = "GELU";
  static constexpr bool reads_output = false;
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T forward(T x) {
    return x * below(x);
  }
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T backward(T x, T /*y*/, T dy) {
    return dy * (below(x) + x * static_cast<T>(0.39894228040143267794) * std::exp(-x * x / 2));
  }

 private:
  // erfc, because 1 + erf loses the digits of a small probability.
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T below(T x) {
    return std::erfc(x * static_cast<T>(-0.70710678118654752440)) / 2;
  }
};
// x / 2 (1 + tanh u), u = sqrt(2 / pi) (x + 0.044715 x^3): the approximation of GELU. Computed as x / (1 + exp(-2 u)).
struct GELUTanh : Activation<Values::rectified> {
  static constexpr const char* name = "GELUTanh";
  static constexpr bool reads_output = false;
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T forward(T x) {
    return x / (T{1} + std::exp(-2 * x * (factor<T>() + cubic<T>() * x * x)));
  }
  // Beyond 10 the slope is 0 or 1 in double too, and x^3 could overflow.
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T backward(T x, T /*y*/, T dy) {
    x = x < T{-10} ? T{-10} : x > T{10} ? T{10} : x;
    const T share = T{1} / (T{1} + std::exp(-2 * x * (factor<T>() + cubic<T>() * x * x)));
    return dy * share * (T{1} + 2 * x * (T{1} - share) * (factor<T>() + 3 * cubic<T>() * x * x));
  }

 private:
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T factor() {
    return static_cast<T>(0.79788456080286535588);
  }
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T cubic() {
    return static_cast<T>(0.79788456080286535588 * 0.044715);
  }
};
// x / (1 + exp(-x)), also called swish.
struct SiLU : Activation<Values::rectified> {
  static constexpr const char* name = "SiLU";
  static constexpr bool reads_output = false;
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T forward(T x) {
    return x / (T{1} + std::exp(-x));
  }
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T backward(T x, T /*y*/, T dy) {
    const T sigmoid = T{1} / (T{1} + std::exp(-x));
    return dy * sigmoid * (T{1} + x * (T{1} - sigmoid));
  }
};
// min(max(x + 3, 0), 6) / 6
struct HardSigmoid : Activation<Values::squashed> {
  static constexpr const char* name = "HardSigmoid";
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T forward(T x) {
    return x < T{-3} ? T{0} : x > T{3} ? T{1} : (x + T{3}) / T{6};
  }
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T backward(T y, T dy) {
    return y > T{0} && y < T{1} ? dy / T{6} : T{0};
  }
};
// x times the hard sigmoid of x
struct HardSwish : Activation<Values::rectified> {
  static constexpr const char* name = "HardSwish";
  static constexpr bool reads_output = false;
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T forward(T x) {
    return x < T{-3} ? T{0} : x > T{3} ? x : x * (x + T{3}) / T{6};
  }
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T backward(T x, T /*y*/, T dy) {
    return x >= T{3} ? dy : x > T{-3} ? dy * (2 * x + T{3}) / T{6} : T{0};
  }
};
// min(max(x, Low), High), numbers with Low < High. The gradient at the limits is 0. Error: number_outside_range.
template <auto Low, auto High>
struct Clip : Activation<Values::squashed> {
  static constexpr const char* name = "Clip";
  static constexpr double low = static_cast<double>(Low), high = static_cast<double>(High);
  static constexpr std::array numbers{low, high};
  static constexpr bool keeps_signs = low <= 0 && high > 0;
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s = detail::keep(in, Values::squashed);
    if (!(low < high)) s.fault = Fault::number_outside_range;
    return s;
  }
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T forward(T x) {
    return x < static_cast<T>(Low) ? static_cast<T>(Low) : x > static_cast<T>(High) ? static_cast<T>(High) : x;
  }
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T backward(T y, T dy) {
    return y > static_cast<T>(Low) && y < static_cast<T>(High) ? dy : T{0};
  }
};
using ReLU6 = Clip<0, 6>;
// x if x > 0, else Alpha (exp(x) - 1); Alpha is at least 0. Error: number_outside_range.
template <double Alpha = 1.0>
struct ELUOf : Activation<Values::rectified> {
  static constexpr const char* name = "ELU";
  static constexpr double alpha = Alpha;
  static constexpr std::array numbers{Alpha};
  static constexpr bool keeps_signs = true;
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s = detail::keep(in, Values::rectified);
    if (!(Alpha >= 0)) s.fault = Fault::number_outside_range;  // as LeakyReLUOf
    return s;
  }
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T forward(T x) {
    return x > T{0} ? x : static_cast<T>(Alpha) * std::expm1(x);
  }
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T backward(T y, T dy) {
    return y > T{0} ? dy : dy * (y + static_cast<T>(Alpha));
  }
};
using ELU = ELUOf<>;
// log(1 + exp(x))
struct Softplus : Activation<Values::rectified> {
  static constexpr const char* name = "Softplus";
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T forward(T x) {
    return x > T{0} ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
  }
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T backward(T y, T dy) {
    return dy * -std::expm1(-y);
  }
};
// Factor x, for a number that is not trained, such as the factor of a network's logits. Keeps the kind of values. Keras'
// Rescaling(Factor). Error: number_outside_range.
template <auto Factor>
struct Scale {
  static constexpr const char* name = "Scale";
  // NaN, which is out of range, for an argument that is not a number.
  static constexpr double factor = [] {
    if constexpr (std::is_arithmetic_v<std::remove_cvref_t<decltype(Factor)>>)
      return static_cast<double>(Factor);
    else
      return std::numeric_limits<double>::quiet_NaN();
  }();
  static constexpr std::array numbers{factor};
  static constexpr bool reads_output = false;
  static constexpr bool keeps_signs = factor > 0;
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s = detail::keep(in, Values::as_before);
    constexpr double largest = std::numeric_limits<double>::max();
    if (!(factor >= -largest && factor <= largest)) s.fault = Fault::number_outside_range;
    return s;
  }
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T forward(T x) {
    return static_cast<T>(factor) * x;
  }
  template <class T>
  [[gnu::always_inline]] STRATA_HOST_DEVICE static T backward(T /*y*/, T dy) {
    return static_cast<T>(factor) * dy;
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
