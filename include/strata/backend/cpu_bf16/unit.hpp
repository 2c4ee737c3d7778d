// SPDX-License-Identifier: BSL-1.0
// Which instructions multiply bfloat16.
#pragma once
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu::bf16 {

// amx: Intel's tiles (AMX-BF16). avx512_bf16: the instruction vdpbf16ps. widened: float32's kernels over widened
// activations. emulated: vdpbf16ps in float32's instructions, for tests.
enum class Unit { emulated, widened, avx512_bf16, amx };

// The unit in use: the best this processor has, or what the environment variable STRATA_BF16 names (amx, avx512_bf16,
// widened, emulated). Intel's processors with AVX512-BF16 and without AMX get `widened`: their vdpbf16ps has half the rate
// of float32's instructions (docs/precision.md).
//
// Throws std::runtime_error if STRATA_BF16 names a unit that the processor lacks, or no unit; and, if it is not set, where
// the processor has neither AMX nor AVX512-BF16. Kernels below avx512 (STRATA_KERNELS) count as such a processor.
//
// If AMX is tried, Linux grants its tiles to the process for good and then needs larger stacks for signals: sigaltstack
// refuses a stack of less than about 11 KiB, such as the classic SIGSTKSZ of 8 KiB. STRATA_BF16=avx512_bf16 or widened asks
// for no tiles.
[[nodiscard]] Unit unit();
[[nodiscard]] const char* name_of(Unit unit);
// Asks for a unit; false if the processor lacks it. No model may predict meanwhile.
bool set_unit(Unit unit);

namespace detail {
// Reads STRATA_BF16 each time it is called.
[[nodiscard]] Unit choose_unit();
}  // namespace detail

}  // namespace strata::inline STRATA_ABI::cpu::bf16

#if !defined(STRATA_COMPILED)
#include <strata/backend/cpu_bf16/unit_impl.hpp>
#endif
