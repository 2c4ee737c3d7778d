// SPDX-License-Identifier: BSL-1.0
// The functions of numbers.hpp.
#pragma once
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE std::string number_text(double x) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, x, std::chars_format::general).ptr};
}

STRATA_DEFINE void refuse(const std::string& what, double got, const char* expected) {
  throw std::invalid_argument("strata: " + what + " is " + number_text(got) + "; expected " + expected);
}

STRATA_DEFINE void check_not_negative(const std::string& what, double x) {
  if (!(x >= 0 && std::isfinite(x))) refuse(what, x, "zero or more");
}

STRATA_DEFINE void check_positive(const std::string& what, double x) {
  if (!(x > 0 && std::isfinite(x))) refuse(what, x, "more than zero");
}

}  // namespace strata::inline STRATA_ABI::detail
