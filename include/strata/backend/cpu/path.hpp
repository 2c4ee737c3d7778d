// SPDX-License-Identifier: BSL-1.0
// The kernel path: which instruction set's kernels run.
#pragma once
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu {

// baseline: what every processor of the architecture has, with vectors of 128 bits. On aarch64 that is NEON, and neon is
// the name that kernel_path() gives.
enum class KernelPath { baseline, avx2, avx512, eigen };

// The kernels in use: the best this processor has, or what the environment variable STRATA_KERNELS names (avx512, avx2,
// neon, baseline, eigen; anything else, and what this processor lacks, throws std::runtime_error).
[[nodiscard]] const char* kernel_path();
// Forces a path, for tests; false if the processor lacks it. No model may predict meanwhile.
bool set_kernel_path(KernelPath path);

namespace detail {
[[nodiscard]] KernelPath path_now();
// Reads STRATA_KERNELS each time it is called; path_now() keeps the first answer.
[[nodiscard]] KernelPath choose_path();
}  // namespace detail

}  // namespace strata::inline STRATA_ABI::cpu

#if !defined(STRATA_COMPILED)
#include <strata/backend/cpu/path_impl.hpp>
#endif
