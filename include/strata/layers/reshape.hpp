// SPDX-License-Identifier: BSL-1.0
// Reshape: the same elements as a map of another shape. Channels: some of the channels.
#pragma once
#include <array>
#include <cstdint>

#include <strata/core/options.hpp>

namespace strata {

// The same elements as a map of another shape, in the order of memory: rows, columns, channels. Copies nothing. For a
// vector use Flatten.
// Formula: y[i,j,c] = x[(i Width + j) Channels + c], where x is flat
// Shapes: (N,n) or (N,H,W,C) -> (N,Height,Width,Channels), with as many elements
// Options: Height, Width and Channels, each at least 1
// Errors: not_a_shape, reshape_sizes_differ
// Example:
//   using Net = Sequential<Input<1, 1, 64>, Flatten, Dense<7 * 7 * 32>, Reshape<7, 7, 32>>;
//   static_assert(Net::output == Shape{7, 7, 32});
// Keras: Reshape((Height, Width, Channels))
// PyTorch: nn.Unflatten(1, (Channels, Height, Width)), which orders by channels, rows, columns
template <int Height, int Width, int Channels>
struct Reshape {
  static constexpr const char* name = "Reshape";
  static constexpr LayerInfo infer(Shape in) {
    if (Height < 1 || Width < 1 || Channels < 1) return detail::fault(in, Fault::not_a_shape);
    const std::int64_t size = detail::saturating_size(Shape{Height, Width, Channels});
    LayerInfo s = detail::keep(Shape{Height, Width, Channels}, Values::as_before);
    if (size != detail::saturating_size(in)) s.fail(Fault::reshape_sizes_differ);
    s.moves_positions = in.flat || Height != in.height || Width != in.width;
    return s;
  }
};

// Keeps the channels First to First + Count - 1, counted from 0.
// Formula: y[c] = x[First + c]
// Shapes: (N,H,W,C) -> (N,H,W,Count), or (N,C) -> (N,Count)
// Options: First, at least 0; Count, at least 1
// Errors: channels_outside_range
// Example:
//   using Net = Sequential<Input<32, 32, 8>, Concat<Channels<0, 4>, Sequential<Channels<4, 4>, Conv<3, 12>>>>;
//   static_assert(Net::output == Shape{32, 32, 16});
// Keras: x[..., First:First + Count]
// PyTorch: x[:, First:First + Count]; torch.chunk gives several such parts
template <int First, int Count>
struct Channels {
  static constexpr const char* name = "Channels";
  static constexpr int first = First, count = Count;
  static constexpr std::array numbers{static_cast<double>(First)};
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s = detail::keep(in, Values::as_before);
    s.out.channels = detail::at_least_one(Count);
    if (First < 0 || Count < 1) s.fail(Fault::channels_outside_range, in.channels, First < 0 ? First : Count);
    if (const std::int64_t end = std::int64_t{First} + Count; end > in.channels)
      s.fail(Fault::channels_outside_range, in.channels, end);
    return s;
  }
};

}  // namespace strata
