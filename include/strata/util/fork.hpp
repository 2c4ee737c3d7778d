// SPDX-License-Identifier: BSL-1.0
// How an object learns that it is in a child after fork().
#pragma once
#include <strata/core/compiled.hpp>

namespace strata::detail {

// How often the processes from the first to this one called fork(), counted from the first call of this function. Objects
// with threads compare it with the count at which they started them.
[[nodiscard]] unsigned forks();

}  // namespace strata::detail

#if !defined(STRATA_COMPILED)
#include <strata/util/fork_impl.hpp>
#endif
