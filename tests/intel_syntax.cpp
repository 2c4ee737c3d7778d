// SPDX-License-Identifier: BSL-1.0
// Compiled with -masm=intel, and assembled: instructions that no intrinsic of the compilers stands for.
#include <strata/backend/cpu_bf16/kernels.hpp>

strata::cpu::bf16::detail::PanelProduct by_tiles() {
  return strata::cpu::bf16::detail::panel_product(strata::cpu::bf16::Unit::amx);
}
