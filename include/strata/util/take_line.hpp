// SPDX-License-Identifier: BSL-1.0
// Text read line by line.
#pragma once
#include <algorithm>
#include <cstddef>
#include <string_view>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

// Takes the first line off a text. The last line may end without a line break.
inline std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace strata::inline STRATA_ABI::detail
