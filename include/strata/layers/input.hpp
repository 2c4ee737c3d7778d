// SPDX-License-Identifier: BSL-1.0
// Input: the first layer of a network.
#pragma once
#include <initializer_list>

#include <strata/core/linkage.hpp>
#include <strata/core/nodes.hpp>
#include <strata/core/options.hpp>

namespace strata {

// The start of a network, with the shape of one image in the order of Keras and the AlexNet paper:
// -> (N,Height,Width,Channels). Errors: not_positive, input_not_first, and no_input for a network without.
template <int Height, int Width, int Channels>
struct Input {
  static constexpr const char* name = "Input";
  static constexpr LayerInfo infer(Shape) {
    LayerInfo s = detail::keep(
        Shape{detail::at_least_one(Height), detail::at_least_one(Width), detail::at_least_one(Channels)}, Values::any);
    for (const int n : {Height, Width, Channels})
      if (n < 1) s.fail(Fault::not_positive, 1, n, Parameter::input_size);
    return s;
  }
};

inline namespace STRATA_ABI {
namespace detail {
template <int Height, int Width, int Channels>
inline constexpr bool is_input<Input<Height, Width, Channels>> = true;
}  // namespace detail
}  // namespace STRATA_ABI

}  // namespace strata
