// SPDX-License-Identifier: BSL-1.0
// Expect: a check of the shape at its place in the network.
#pragma once
#include <strata/core/options.hpp>

namespace strata {

// Makes it an error if another shape arrives. It computes nothing.
// Formula: y = x
// Shapes: Expect<h, w, c> for (N,h,w,c), Expect<n> for (N,n)
// Options: the numbers of the shape
// Errors: shape_differs, not_a_shape
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<5, 96>, ReLU, MaxPool<3, 2>, Expect<15, 15, 96>>;
// Keras: none
// PyTorch: none; assert x.shape[1:] == (c, h, w) in forward() checks at run time
template <int First, int... Rest>
struct Expect {
  static constexpr const char* name = "Expect";
  static constexpr bool is_shape = (sizeof...(Rest) == 0 || sizeof...(Rest) == 2) && First > 0 &&
                                   (true && ... && (Rest > 0));
  static constexpr Shape shape = [] {
    if constexpr (is_shape)
      return Shape{First, Rest...};
    else
      return Shape{};
  }();
  static constexpr LayerInfo infer(Shape in) {
    if (!is_shape) return detail::fault(in, Fault::not_a_shape);
    return detail::fault(shape, in == shape ? Fault::none : Fault::shape_differs);
  }
};

}  // namespace strata
