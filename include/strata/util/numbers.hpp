// SPDX-License-Identifier: BSL-1.0
// Numbers as text, and checks of numbers that users give.
#pragma once
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <string>

namespace strata::detail {

// The shortest text that reads back as the same number; independent of the locale.
inline std::string number_text(double x) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, x, std::chars_format::general).ptr};
}
[[noreturn]] inline void refuse(const std::string& what, double got, const char* expected) {
  throw std::invalid_argument("strata: " + what + " is " + number_text(got) + "; expected " + expected);
}
// NaN and infinity fail both checks.
inline void check_not_negative(const std::string& what, double x) {
  if (!(x >= 0 && std::isfinite(x))) refuse(what, x, "zero or more");
}
inline void check_positive(const std::string& what, double x) {
  if (!(x > 0 && std::isfinite(x))) refuse(what, x, "more than zero");
}

}  // namespace strata::detail
