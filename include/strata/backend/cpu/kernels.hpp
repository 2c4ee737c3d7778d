// SPDX-License-Identifier: BSL-1.0
// Where the CPU backend overrides how a layer, or several layers in a row, run.
#pragma once
#include <strata/core/linkage.hpp>
#include <strata/model/kernels.hpp>

namespace strata::inline STRATA_ABI {

// Specialize it where the CPU needs another kernel than all backends.
template <class L>
struct CpuKernel : Kernel<L> {};

// Layers in a row that one kernel does together (blocks.hpp). It gets one pass for each layer, in order. The values between
// two layers of a block need not be written. Without a specialization layers run one by one, with the same results.
template <class... Layers>
struct CpuBlock {
  static constexpr bool exists = false;
};

}  // namespace strata::inline STRATA_ABI
