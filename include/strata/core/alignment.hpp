// SPDX-License-Identifier: BSL-1.0
// The alignment of regions of memory.
#pragma once
#include <cstdint>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

inline constexpr std::int64_t alignment = 64;  // a cache line, and the widest vector
constexpr std::int64_t aligned(std::int64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

}  // namespace strata::inline STRATA_ABI::detail
