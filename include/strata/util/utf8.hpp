// SPDX-License-Identifier: BSL-1.0
// Checks UTF-8.
#pragma once
#include <cstddef>
#include <string_view>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

// The number of bytes of the first character, or 0 if it is not UTF-8 (too short, overlong, a surrogate, above U+10FFFF).
constexpr std::size_t utf8_length(std::string_view s) {
  const auto byte = [s](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const auto tail = [byte](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned a = byte(0), b = byte(1);
  if (s.empty()) return 0;
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a < 0xE0) return tail(1) ? 2 : 0;
  if (a >= 0xE0 && a < 0xF0) return tail(1) && tail(2) && !(a == 0xE0 && b < 0xA0) && !(a == 0xED && b >= 0xA0) ? 3 : 0;
  if (a >= 0xF0 && a < 0xF5)
    return tail(1) && tail(2) && tail(3) && !(a == 0xF0 && b < 0x90) && !(a == 0xF4 && b >= 0x90) ? 4 : 0;
  return 0;
}

}  // namespace strata::inline STRATA_ABI::detail
