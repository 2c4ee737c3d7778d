// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

// How many processors this process may use (processor_limits.hpp); at least 1.
[[nodiscard]] int usable_processors();

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/util/processors_impl.hpp>
#endif
