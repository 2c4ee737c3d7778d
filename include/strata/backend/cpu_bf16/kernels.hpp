// SPDX-License-Identifier: BSL-1.0
// The micro-kernels of products: C (rows, 32) = [C +] A (rows, depth) B (depth, 32), sums in float32. A row of A is `depth`
// elements in a row; B is a panel in which two neighbours in depth are a pair: b[depth / 2][32][2]. The depth is a multiple
// of 32. The order of each sum depends on the unit and the depth alone.
#pragma once
#include <cstdint>

#include <strata/backend/cpu_bf16/unit.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu::bf16::detail {

using PanelProduct = void (*)(const Bf16* a, std::int64_t stride_a, int rows, const Bf16* b, int depth, float* c,
                              std::int64_t stride_c, bool add);

// The kernel of a unit that this processor has.
[[nodiscard]] PanelProduct panel_product(Unit unit);

}  // namespace strata::inline STRATA_ABI::cpu::bf16::detail

#if !defined(STRATA_COMPILED)
#include <strata/backend/cpu_bf16/kernels_impl.hpp>
#endif
