// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <string>
#include <system_error>
#include <type_traits>
#ifndef __cpp_lib_to_chars
#include <clocale>
#include <cstdlib>

#include <locale.h>
#endif

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

// std::from_chars, which libc++ has for floating-point numbers only since version 20.
template <class N>
std::from_chars_result parse_number(const char* first, const char* last, N& to) {
#ifndef __cpp_lib_to_chars
  if constexpr (std::is_floating_point_v<N>) {
    static const ::locale_t plain = ::newlocale(LC_ALL_MASK, "C", nullptr);
    std::string text(first, last);
    text.resize(std::min(text.find_first_of("xX"), text.size()));  // strtod reads hexadecimal numbers too
    if (text.empty() || text[0] == '+' || std::isspace(static_cast<unsigned char>(text[0])))
      return {first, std::errc::invalid_argument};
    char* end = text.data();
    N read{};
    if constexpr (std::is_same_v<N, float>)
      read = ::strtof_l(text.c_str(), &end, plain);
    else
      read = ::strtod_l(text.c_str(), &end, plain);
    if (end == text.data()) return {first, std::errc::invalid_argument};
    const char* after = first + (end - text.data());
    if (std::isinf(read) && text.find_first_of("nN") == std::string::npos) return {after, std::errc::result_out_of_range};
    to = read;
    return {after, std::errc{}};
  } else
#endif
    return std::from_chars(first, last, to);
}

}  // namespace strata::inline STRATA_ABI::detail
