// SPDX-License-Identifier: BSL-1.0
// What a model's memory plan asks of a kernel. These are the defaults.
#pragma once
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>

namespace strata::inline STRATA_ABI {

// How a layer runs: model/kernels.hpp.
template <class L>
struct Kernel;

struct KernelTraits {
  static constexpr bool view = false;          // the output is the input under another name; no code runs
  static constexpr bool in_place = false;      // y may be x, and dx may be dy
  static constexpr bool reads_output = false;  // backward needs y as forward wrote it
  static constexpr bool reads_signs = false;   // backward, alone or in a block, asks which elements of y are above 0
  // A layer that works in place keeps the sign mask (y > 0 iff x > 0), except where the gradient is zero.
  static constexpr bool keeps_signs = false;
  // The kernel has prepare(ops, in, batch, Preparation), which runs before memory is allocated. A block that begins with
  // this layer has it too.
  static constexpr bool prepares = false;
  // Bytes that forward leaves for backward.
  template <class Ops>
  static constexpr std::int64_t saved_bytes(Shape /*in*/, Shape /*out*/, std::int64_t /*batch*/) {
    return 0;
  }
  // Scratch for forward and backward, counted in elements of the parameters' type.
  template <class Ops>
  static constexpr std::int64_t scratch(Shape /*in*/, int /*batch*/, int /*threads*/) {
    return 0;
  }
};

// What a layer with products will be asked for.
struct Preparation {
  bool training = false;  // the gradients of the parameters
  bool input_gradient = false;
  std::int64_t offset = 0;  // parameters of the layers before this one
};

}  // namespace strata::inline STRATA_ABI
