// SPDX-License-Identifier: BSL-1.0
// A checksum to compare data and detect damage. It does not protect against deliberate changes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

// Sixteen hexadecimal digits.
std::string hex_digits(std::uint64_t bits);

// 64 bits, eight bytes at a time. Each step is one-to-one in the word and in the previous state, so any change within one
// word changes the result.
class Checksum {
 public:
  Checksum& word(std::uint64_t w) {
    hash_ = (hash_ ^ w) * 0x9E3779B97F4A7C15;
    hash_ ^= hash_ >> 29;
    return *this;
  }
  Checksum& bytes(std::span<const std::byte> b);
  Checksum& text(std::string_view s) { return bytes(std::as_bytes(std::span(s))); }
  [[nodiscard]] std::string digits() const { return hex_digits(hash_); }

 private:
  static std::uint64_t load(std::span<const std::byte> b);
  std::uint64_t hash_ = 0x5EED;
};

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/util/checksum_impl.hpp>
#endif
