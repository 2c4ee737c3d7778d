// SPDX-License-Identifier: BSL-1.0
// Expect: a check of the shape at its place in the network.
#pragma once
#include <strata/core/options.hpp>

namespace strata {

// An error unless the input has this shape: Expect<h, w, c> for (N,h,w,c), Expect<n> for (N,n). Passes its input on without
// computing anything. Errors: shape_differs, not_a_shape.
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
