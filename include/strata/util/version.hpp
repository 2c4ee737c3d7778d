// SPDX-License-Identifier: BSL-1.0
// The version of strata, and the compiler.
#pragma once
#include <string>
#include <string_view>

namespace strata {

inline constexpr std::string_view version = "0.2.0";  // CMakeLists.txt reads it here

// As "g++ 12.2.0".
inline std::string compiler_name() {
#if defined(__clang__)
  return "clang++ " __clang_version__;
#elif defined(__GNUC__)
  return "g++ " __VERSION__;
#else
  return "unknown";
#endif
}

}  // namespace strata
