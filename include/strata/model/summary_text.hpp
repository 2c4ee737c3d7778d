// SPDX-License-Identifier: BSL-1.0
// The text of summary<Net>(), written at run time: compilers limit the steps of a constant, and deep networks need many.
#pragma once
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/core/summary.hpp>

namespace strata::inline STRATA_ABI::detail {

[[nodiscard]] std::string summary_text(const SummaryNumbers& numbers);

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/model/summary_text_impl.hpp>
#endif
