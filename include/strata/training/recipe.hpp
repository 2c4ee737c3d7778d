// SPDX-License-Identifier: BSL-1.0
// The recipe of a run, in words.
#pragma once
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/training/run.hpp>

namespace strata::inline STRATA_ABI::detail {

// A run continues only with an equal recipe: one "name: value" a line. The length of a run is not in it. Equal text means
// equal numbers, to the bit.
[[nodiscard]] std::string recipe_text(const TrainingRun& run);
[[nodiscard]] std::string normalize_text(const Normalize& normalize);

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/training/recipe_impl.hpp>
#endif
