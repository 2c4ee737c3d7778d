// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <strata/core/options.hpp>

namespace strata {

// A checkpoint: the shape here, or it does not compile. Expect<h, w, c> for a map, Expect<n> for a flat vector. Does
// nothing.
template <int First, int... Rest>
struct Expect {
  static_assert(sizeof...(Rest) == 0 || sizeof...(Rest) == 2, "strata: Expect<h, w, c> or Expect<n>");
  static constexpr const char* name = "Expect";
  static constexpr Shape shape{First, Rest...};
  static constexpr Step infer(Shape in) {
    Step s;
    s.out = shape;
    if (!(in == shape)) s.fault = Fault::shape_differs;
    return s;
  }
};

}  // namespace strata
