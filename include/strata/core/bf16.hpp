// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <bit>
#include <cstdint>

#include <strata/core/host_device.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

namespace detail {
// From the bits of floats, in an integer or a vector of integers: those of the nearest bfloat16 are in the upper halves,
// and the lower halves have no meaning.
template <class Bits>
[[gnu::always_inline]] STRATA_HOST_DEVICE inline constexpr void round_to_bf16(Bits& bits) {
  const Bits rounded = bits + 0x7FFF + (bits >> 16 & 1), quiet = bits | 0x400000;  // a NaN stays a NaN
  bits = (bits & 0x7FFFFFFF) > 0x7F800000 ? quiet : rounded;
}
}  // namespace detail

// bfloat16: the upper half of a float, rounded to the nearest, ties to even. For storing; all arithmetic is in float.
class Bf16 {
 public:
  Bf16() = default;
  STRATA_HOST_DEVICE explicit constexpr Bf16(float x) : bits_(rounded(std::bit_cast<std::uint32_t>(x))) {}
  STRATA_HOST_DEVICE explicit constexpr operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits_) << 16);
  }

 private:
  STRATA_HOST_DEVICE static constexpr std::uint16_t rounded(std::uint32_t bits) {
    detail::round_to_bf16(bits);
    return static_cast<std::uint16_t>(bits >> 16);
  }
  std::uint16_t bits_;
};

}  // namespace strata::inline STRATA_ABI
