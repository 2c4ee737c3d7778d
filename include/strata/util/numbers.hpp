// SPDX-License-Identifier: BSL-1.0
// Numbers as text, and checks of numbers that users give.
#pragma once
#include <string>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

// The shortest text that reads back as the same number; independent of the locale.
std::string number_text(double x);
[[noreturn]] void refuse(const std::string& what, double got, const char* expected);
// NaN and infinity fail both checks.
void check_not_negative(const std::string& what, double x);
void check_positive(const std::string& what, double x);

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/util/numbers_impl.hpp>
#endif
