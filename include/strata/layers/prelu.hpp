// SPDX-License-Identifier: BSL-1.0
// PReLU: a leaky ReLU that learns its slopes.
#pragma once
#include <array>

#include <strata/core/options.hpp>
#include <strata/core/tensor_info.hpp>

namespace strata {

// A leaky ReLU that learns a slope for each channel. The slopes begin at 0.25.
// Formula: y = x if x > 0, else alpha[c] x
// Shapes: (N,H,W,C) or (N,C), which it keeps
// Trained: alpha (C)
// Options: none
// Errors: loss_needs_logits, as the last layer before a loss that takes logits
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<3, 16>, PReLU>;
// Keras: PReLU(shared_axes=[1, 2]), whose slopes begin at 0
// PyTorch: nn.PReLU(C)
// Source: He, Zhang, Ren, Sun 2015
struct PReLU {
  static constexpr const char* name = "PReLU";
  static constexpr const char* keras = "p_re_lu";
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s = detail::keep(in, Values::rectified);
    s.parameters = in.channels;
    return s;
  }
  [[gnu::always_inline]] static constexpr std::array<TensorInfo, 1> tensors(Shape in) {
    return {TensorInfo{"alpha", Role::slope, {in.channels}, 1, 0, 0}};
  }
};

}  // namespace strata
