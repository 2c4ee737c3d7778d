// SPDX-License-Identifier: BSL-1.0
// The functions of same_program.hpp.
#pragma once
#include <algorithm>
#include <cstddef>

#include <strata/core/linkage.hpp>
#include <strata/training/recipe.hpp>
#include <strata/training/same_program.hpp>
#include <strata/util/version.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE std::vector<std::string> program_lines(const Processes& processes, const TrainingRun& run) {
  std::vector<std::string> lines = {"strata " + std::string(version), processes.describe(), "network: " + run.architecture,
                                    "kernels: " + run.kernels};
  const std::string recipe = recipe_text(run);
  for (std::size_t at = 0; at < recipe.size();) {
    const std::size_t end = std::min(recipe.find('\n', at), recipe.size());
    lines.push_back(recipe.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

}  // namespace strata::inline STRATA_ABI::detail
