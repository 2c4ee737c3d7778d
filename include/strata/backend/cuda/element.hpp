// SPDX-License-Identifier: BSL-1.0
// What the GPU's own kernels are written in: one element's work as a function object, without CUDA. A `Run` calls it for
// every index of [0, n), in any order: the device does (device.hpp), and a loop does, so that the tests see these very
// lines on a machine without a GPU.
#pragma once
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include <strata/core/host_device.hpp>

namespace strata {

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
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<std::uint16_t>(bits >> 16 | 0x40);  // a NaN stays one
    return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
  }
  std::uint16_t bits_;
};

namespace cuda {

// What numbers of a type are computed in.
template <class T>
using Compute = std::conditional_t<std::is_same_v<T, Bf16>, float, T>;

template <class R>
concept Run = requires(R& run, void (*element)(std::int64_t)) { run(std::int64_t{}, element); };

}  // namespace cuda
}  // namespace strata
