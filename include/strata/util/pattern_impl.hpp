// SPDX-License-Identifier: BSL-1.0
// The functions of pattern.hpp.
#pragma once
#include <string_view>

#include <strata/core/linkage.hpp>
#include <strata/util/pattern.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE bool matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  const std::string_view rest = pattern.substr(1);
  if (pattern[0] == '*') return matches(rest, text) || (!text.empty() && matches(pattern, text.substr(1)));
  return !text.empty() && (pattern[0] == '?' || pattern[0] == text[0]) && matches(rest, text.substr(1));
}

}  // namespace strata::inline STRATA_ABI::detail
