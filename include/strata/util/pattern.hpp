// SPDX-License-Identifier: BSL-1.0
// Patterns for names: conv2d*/kernel.
#pragma once
#include <string_view>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

// * stands for any characters, ? for one.
bool matches(std::string_view pattern, std::string_view text);

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/util/pattern_impl.hpp>
#endif
