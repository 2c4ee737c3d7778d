// SPDX-License-Identifier: BSL-1.0
// The functions of checksum.hpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/util/checksum.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE std::string hex_digits(std::uint64_t bits) {
  std::string out;
  for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[bits >> shift & 15];
  return out;
}

STRATA_DEFINE Checksum& Checksum::bytes(std::span<const std::byte> b) {
  word(b.size());
  for (; b.size() >= 8; b = b.subspan(8)) word(load(b.first(8)));
  return b.empty() ? *this : word(load(b));
}

STRATA_DEFINE std::uint64_t Checksum::load(std::span<const std::byte> b) {
  std::uint64_t w = 0;
  std::memcpy(&w, b.data(), b.size());
  return w;
}

}  // namespace strata::inline STRATA_ABI::detail
