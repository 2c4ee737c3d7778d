// SPDX-License-Identifier: BSL-1.0
// The lines that must be equal in all processes (check_same).
#pragma once
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/training/processes.hpp>
#include <strata/training/run.hpp>

namespace strata::inline STRATA_ABI::detail {

// The version, the processes' options, network, kernels and recipe of a run; its tensors are not looked at.
[[nodiscard]] std::vector<std::string> program_lines(const Processes& processes, const TrainingRun& run);

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/training/same_program_impl.hpp>
#endif
