// SPDX-License-Identifier: BSL-1.0
// The version of strata, and the compiler.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

inline constexpr std::string_view version = "0.2.0";  // CMakeLists.txt reads it here, core/linkage.hpp names it too

namespace detail {
#define STRATA_TEXT_OF(name) #name
#define STRATA_TEXT(name) STRATA_TEXT_OF(name)
// "v0_2_0" for "0.2.0".
constexpr bool names_version(std::string_view abi) {
  if (abi.size() <= version.size() || abi[0] != 'v') return false;
  for (std::size_t i = 0; i < version.size(); ++i)
    if (abi[i + 1] != (version[i] == '.' ? '_' : version[i])) return false;
  return abi.size() == version.size() + 1 || abi[version.size() + 1] == '_';
}
static_assert(names_version(STRATA_TEXT(STRATA_ABI)));
#undef STRATA_TEXT
#undef STRATA_TEXT_OF
}  // namespace detail

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

}  // namespace strata::inline STRATA_ABI
