// SPDX-License-Identifier: BSL-1.0
// Where a GPU backend overrides how a layer, or several layers in a row, run.
#pragma once
#include <strata/core/linkage.hpp>
#include <strata/model/kernels.hpp>

namespace strata::inline STRATA_ABI {

// Specialize it where a GPU needs another kernel than all backends.
template <class L>
struct CudaKernel : Kernel<L> {};

// Layers in a row that one kernel does together (blocks.hpp), as CpuBlock.
template <class... Layers>
struct CudaBlock {
  static constexpr bool exists = false;
};

}  // namespace strata::inline STRATA_ABI
