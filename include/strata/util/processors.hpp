// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <atomic>
#include <limits>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

// The most processors that this process may use. Several processes that train together divide those of the machine.
inline std::atomic<int> processor_limit{std::numeric_limits<int>::max()};
// The CPU quota of this process's cgroups, as processors; the largest int if there is none.
[[nodiscard]] int processors_of_quota();
// How many processors this process may use: the least of what the system allows (os::allowed_processors(), taskset), the
// quota and processor_limit; at least 1.
[[nodiscard]] int usable_processors();

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/util/processors_impl.hpp>
#endif
