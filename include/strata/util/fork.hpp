// SPDX-License-Identifier: BSL-1.0
// How an object learns that it is in a child after fork().
#pragma once
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

// How often the processes from the first to this one called fork(), counted from the first call of this function. Objects
// with threads compare it with the count at which they started them.
[[nodiscard]] unsigned forks();

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/util/fork_impl.hpp>
#endif
