// SPDX-License-Identifier: BSL-1.0
// The GPU's own kernels are function objects that do the work of one element, without CUDA. A `Run` calls one for every
// index of [0, n), in any order. The device is a Run (device.hpp), and so is a loop, so that tests run the same lines on a
// machine without a GPU.
#pragma once
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include <strata/core/host_device.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

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
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<std::uint16_t>(bits >> 16 | 0x40);  // a NaN stays a NaN
    return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
  }
  std::uint16_t bits_;
};

namespace cuda {

// The type that computes with numbers of type T.
template <class T>
using Compute = std::conditional_t<std::is_same_v<T, Bf16>, float, T>;

template <class R>
concept Run = requires(R& run, void (*element)(std::int64_t)) { run(std::int64_t{}, element); };

}  // namespace cuda
}  // namespace strata::inline STRATA_ABI
