// SPDX-License-Identifier: BSL-1.0
// Layers that look at one number at a time, and the two softmaxes. All keep the shape.
#pragma once
#include <array>

#include <strata/core/options.hpp>

namespace strata {

namespace detail {
constexpr LayerInfo keep(Shape in, Values values) {
  LayerInfo s;
  s.out = in;
  s.values = values;
  return s;
}
constexpr LayerInfo keep_flat(Shape in, Values values) {
  LayerInfo s = keep(in, values);
  if (!in.flat) s.fault = Fault::needs_flat_input, s.got = saturating_size(in);
  return s;
}
}  // namespace detail

// max(x, 0)
struct ReLU {
  static constexpr const char* name = "ReLU";
  static constexpr LayerInfo infer(Shape in) { return detail::keep(in, Values::rectified); }
};
// x where x > 0, else Slope x, at least 0. Keras 3 and PyTorch differ in their defaults (0.3, 0.01); this is PyTorch's.
template <double Slope = 0.01>
struct LeakyReLUOf {
  static constexpr const char* name = "LeakyReLU";
  static constexpr double slope = Slope;
  static constexpr std::array numbers{Slope};
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s = detail::keep(in, Values::rectified);
    if (!(Slope >= 0)) s.fault = Fault::number_outside_range;  // the sign of y, which backward asks, would not be that of x
    return s;
  }
};
using LeakyReLU = LeakyReLUOf<>;
// 1 / (1 + exp(-x))
struct Sigmoid {
  static constexpr const char* name = "Sigmoid";
  static constexpr LayerInfo infer(Shape in) { return detail::keep(in, Values::squashed); }
};
struct Tanh {
  static constexpr const char* name = "Tanh";
  static constexpr LayerInfo infer(Shape in) { return detail::keep(in, Values::squashed); }
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
