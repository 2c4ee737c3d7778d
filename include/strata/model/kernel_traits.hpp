// SPDX-License-Identifier: BSL-1.0
// What a model's plan asks of a kernel, whatever the backend.
#pragma once
#include <cstdint>

#include <strata/core/shape.hpp>

namespace strata {

// Defaults of a kernel.
struct KernelTraits {
  static constexpr bool view = false;          // output is the input under another name: nothing runs
  static constexpr bool in_place = false;      // forward and backward may write over what they read
  static constexpr bool reads_output = false;  // backward needs y as forward left it
  static constexpr bool reads_signs = false;   // backward, alone or in a block, asks which numbers of y are above 0
  // Of a layer in place: what is above 0 stays so, unless no gradient passes there; all else does not become so.
  static constexpr bool keeps_signs = false;
  // There is something to choose before there is memory: prepare<Training>(engine, in, batch, learns_before, at), also of
  // the blocks that begin with this layer.
  static constexpr bool prepares = false;
  // Bytes kept from forward to backward.
  static constexpr std::int64_t saved_bytes(Shape, Shape, std::int64_t) { return 0; }
  // Numbers of scratch, for forward and backward.
  template <class T>
  static constexpr std::int64_t scratch(Shape, int, int) {
    return 0;
  }
};

}  // namespace strata
