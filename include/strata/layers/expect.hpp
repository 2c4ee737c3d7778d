// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <strata/core/options.hpp>

namespace strata {

// A checkpoint: the shape here, or it does not compile. Expect<h, w, c> for a map, Expect<n> for a flat vector. Does
// nothing.
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
