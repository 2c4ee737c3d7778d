// SPDX-License-Identifier: BSL-1.0
// Input: the first layer of a network.
#pragma once
#include <initializer_list>

#include <strata/core/linkage.hpp>
#include <strata/core/nodes.hpp>
#include <strata/core/options.hpp>

namespace strata {

// The start of a network: the shape of one image.
// Formula: y = the images of the batch
// Shapes: -> (N,Height,Width,Channels)
// Options: Height, Width and Channels, each at least 1
// Errors: not_positive, input_not_first, size_overflows; no_input for a network without it
// Example:
//   using Net = Sequential<Input<28, 28, 1>, Flatten, Dense<10>>;
//   static_assert(Net::input == Shape{28, 28, 1});
// Keras: Input((Height, Width, Channels))
// PyTorch: none; its images are (N,Channels,Height,Width)
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
