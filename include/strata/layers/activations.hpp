// SPDX-License-Identifier: BSL-1.0
// Activations, and the two softmaxes. The fields of the reference (docs/reference.py) that stand here hold for each layer
// below that has none of its own.
// Shapes: (N,H,W,C) or (N,n), which it keeps
// Options: none
// Errors: loss_needs_logits, as the last layer before a loss that takes logits
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

// Sets negative elements to zero. A NaN stays a NaN.
// Formula: y = max(x, 0)
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<3, 16>, ReLU>;
// Keras: ReLU(), or activation="relu" of a layer
// PyTorch: nn.ReLU()
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
// A ReLU that multiplies negative elements by a small slope. LeakyReLU has the slope 0.01, LeakyReLUOf<Slope> another.
// Formula: y = x if x > 0, else Slope x
// Options: Slope, at least 0
// Errors: number_outside_range; loss_needs_logits, as the last layer before a loss that takes logits
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<3, 16>, LeakyReLU, Conv<3, 16>, LeakyReLUOf<0.3>>;
// Keras: LeakyReLU(negative_slope=0.01); without an argument its slope is 0.3
// PyTorch: nn.LeakyReLU(), whose slope is 0.01 too
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
// Maps each element into (0, 1).
// Formula: y = 1 / (1 + exp(-x))
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<3, 16>, Gate<GlobalAvgPool, Dense<16>, Sigmoid>>;
// Keras: activation="sigmoid"
// PyTorch: nn.Sigmoid()
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
// Maps each element into (-1, 1).
// Formula: y = tanh(x)
// Example: using Net = Sequential<Input<28, 28, 1>, Flatten, Dense<64>, Tanh, Dense<10>>;
// Keras: activation="tanh"
// PyTorch: nn.Tanh()
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
// Multiplies each element by the probability that a standard normal number is below it. Computed with the error function.
// Formula: y = x P(X <= x) = x (1 + erf(x / sqrt(2))) / 2
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<3, 16>, GELU>;
// Keras: activation="gelu"
// PyTorch: nn.GELU()
// Source: Hendrycks, Gimpel 2016
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
// The approximation of GELU by a hyperbolic tangent. Computed as x / (1 + exp(-2 u)).
// Formula: y = x / 2 (1 + tanh(u)), u = sqrt(2 / pi) (x + 0.044715 x^3)
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<3, 16>, GELUTanh>;
// Keras: keras.activations.gelu(x, approximate=True)
// PyTorch: nn.GELU(approximate="tanh")
// Source: Hendrycks, Gimpel 2016
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
// Multiplies each element by its own sigmoid; also called swish.
// Formula: y = x / (1 + exp(-x))
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<3, 16>, SiLU>;
// Keras: activation="silu"
// PyTorch: nn.SiLU()
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
// A sigmoid made of straight lines. Its gradient is 0 where y is 0 or 1.
// Formula: y = min(max(x + 3, 0), 6) / 6
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<3, 16>, Gate<GlobalAvgPool, Dense<16>, HardSigmoid>>;
// Keras: activation="hard_sigmoid" of Keras 3; that of Keras 2 has another slope, 0.2
// PyTorch: nn.Hardsigmoid()
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
// Multiplies each element by its own hard sigmoid.
// Formula: y = x min(max(x + 3, 0), 6) / 6
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<3, 16>, HardSwish>;
// Keras: activation="hard_silu"
// PyTorch: nn.Hardswish()
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
// Limits each element to an interval. The gradient is 0 at the limits and beyond them. ReLU6 is Clip<0, 6>.
// Formula: y = min(max(x, Low), High)
// Options: Low and High, numbers with Low < High
// Errors: number_outside_range; loss_needs_logits, as the last layer before a loss that takes logits
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<3, 16>, ReLU6, Conv<3, 16>, Clip<-1, 1>>;
// Keras: keras.ops.clip(x, Low, High); ReLU(max_value=6) for ReLU6
// PyTorch: nn.Hardtanh(Low, High); nn.ReLU6() for ReLU6
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
namespace detail {
template <class L>
inline constexpr bool is_clip = false;
template <auto Low, auto High>
inline constexpr bool is_clip<Clip<Low, High>> = true;
}  // namespace detail
// A ReLU whose negative part falls smoothly to -Alpha. ELU has the alpha 1, ELUOf<Alpha> another.
// Formula: y = x if x > 0, else Alpha (exp(x) - 1)
// Options: Alpha, at least 0
// Errors: number_outside_range; loss_needs_logits, as the last layer before a loss that takes logits
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<3, 16>, ELU, Conv<3, 16>, ELUOf<0.5>>;
// Keras: ELU(alpha=1.0)
// PyTorch: nn.ELU(alpha=1.0)
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
// A smooth ReLU.
// Formula: y = log(1 + exp(x))
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<3, 16>, Softplus>;
// Keras: activation="softplus"
// PyTorch: nn.Softplus(), which returns x above 20
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
// Multiplies each element by a number that is not trained. A loss sees the kind of values that came before it: scaled
// logits are logits.
// Formula: y = Factor x
// Options: Factor, a finite number
// Errors: number_outside_range
// Example: using Net = Sequential<Input<28, 28, 1>, Flatten, Dense<10>, Scale<0.125>>;
// Keras: Rescaling(Factor)
// PyTorch: `x * factor` in forward()
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
// Turns logits into probabilities, whose sum is 1. Training is more exact without it: SoftmaxCrossEntropy contains it.
// Formula: y_i = exp(x_i) / sum over j of exp(x_j)
// Shapes: (N,n), which it keeps
// Errors: needs_flat_input; loss_needs_logits or loss_needs_log_probabilities before a loss that does not take
//   probabilities
// Example: using Net = Sequential<Input<28, 28, 1>, Flatten, Dense<10>, Softmax>;
// Keras: Softmax(), or activation="softmax"
// PyTorch: nn.Softmax(dim=1)
struct Softmax {
  static constexpr const char* name = "Softmax";
  static constexpr LayerInfo infer(Shape in) { return detail::keep_flat(in, Values::probabilities); }
};
// The logarithm of Softmax, for NegativeLogLikelihood.
// Formula: y_i = x_i - log(sum over j of exp(x_j))
// Shapes: (N,n), which it keeps
// Errors: needs_flat_input; loss_needs_logits or loss_needs_probabilities before a loss that takes those
// Example: using Net = Sequential<Input<28, 28, 1>, Flatten, Dense<10>, LogSoftmax>;
// Keras: activation="log_softmax"
// PyTorch: nn.LogSoftmax(dim=1)
struct LogSoftmax {
  static constexpr const char* name = "LogSoftmax";
  static constexpr LayerInfo infer(Shape in) { return detail::keep_flat(in, Values::log_probabilities); }
};

}  // namespace strata
