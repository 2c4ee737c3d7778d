// SPDX-License-Identifier: BSL-1.0
// The backend CpuBF16: backend/cpu_bf16/kernels.hpp says how it multiplies.
#pragma once
#include <strata/backend/cpu_bf16/engine.hpp>
#include <strata/backend/cpu_bf16/ops.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>
#include <strata/model/kernels.hpp>
#include <strata/model/model_core_impl.hpp>
#include <strata/model/relu_block.hpp>
#include <strata/model/session_impl.hpp>

namespace strata::inline STRATA_ABI {

namespace cpu::bf16 {
// Blocks of two layers: ReLU is applied to the sums before they are rounded.
template <class... Layers>
struct Block {
  static constexpr bool exists = false;
};
template <auto Size_, int Filters, class... O>
struct Block<Conv<Size_, Filters, O...>, ReLU>
    : strata::detail::ReluBlock<Kernel<Conv<Size_, Filters, O...>>, Kernel<ReLU>> {};
template <int Units, class... O>
struct Block<Dense<Units, O...>, ReLU> : strata::detail::ReluBlock<Kernel<Dense<Units, O...>>, Kernel<ReLU>> {};
}  // namespace cpu::bf16

// The processor, with activations and products in bfloat16; sums, parameters, BatchNorm, losses and optimizers in float32.
struct CpuBF16 {
  using scalar = float;     // of parameters, gradients, images and the network's output
  using activation = Bf16;  // of what flows between layers
  using Engine = CpuBf16Engine;
  using Ops = cpu::bf16::Ops;
  template <class L>
  using kernel = Kernel<L>;
  template <class... L>
  using block = cpu::bf16::Block<L...>;
  static constexpr bool on_host = true;
};

}  // namespace strata::inline STRATA_ABI
