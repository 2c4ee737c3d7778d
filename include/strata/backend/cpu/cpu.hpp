// SPDX-License-Identifier: BSL-1.0
// The CPU backend.
#pragma once
#include <strata/backend/cpu/blocks.hpp>
#include <strata/backend/cpu/engine.hpp>
#include <strata/backend/cpu/kernels.hpp>
#include <strata/core/linkage.hpp>
#include <strata/model/pass.hpp>

namespace strata::inline STRATA_ABI {

template <class Scalar>
struct CpuOf {
  using scalar = Scalar;      // of parameters, gradients, images and the network's output
  using activation = Scalar;  // of what flows between layers
  using Engine = CpuEngine<Scalar>;
  using Ops = cpu::Ops<Scalar>;
  template <class L>
  using kernel = CpuKernel<L>;
  template <class... L>
  using block = CpuBlock<L...>;
  static constexpr bool on_host = true;  // the host can read and write the engine's memory
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/backend/cpu/cpu_impl.hpp>
#endif
