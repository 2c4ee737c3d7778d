// SPDX-License-Identifier: BSL-1.0
// PReLU: a leaky ReLU that learns its slopes.
#pragma once
#include <array>

#include <strata/core/options.hpp>
#include <strata/core/tensor_info.hpp>

namespace strata {

// x if x > 0, else slope x, with a slope for each channel (He, Zhang, Ren, Sun 2015): (N,H,W,C) or (N,C), which it keeps.
// Trainable: alpha, C numbers, 0.25 at the beginning. PyTorch's nn.PReLU(C); Keras' PReLU(shared_axes=[1, 2]), whose slopes
// begin at 0 and are (1,1,C).
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
