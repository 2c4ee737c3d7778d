// SPDX-License-Identifier: BSL-1.0
// The precisions of a GPU. Parameters, gradients and the optimizer's state are float32 in all of them.
#pragma once
#include <concepts>
#include <cstdint>

#include <strata/backend/cuda/element.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda {

enum class Math { float32, tf32, bf16 };

// Products of float32 numbers in float32, as on the CPU; tensor cores are not used.
struct Float32 {
  using Activation = float;
  static constexpr Math math = Math::float32;
  static constexpr const char* name = "float32";
};

// float32 numbers; tensor cores multiply their upper 19 bits (10 of the mantissa) and add in float32.
struct TF32 {
  using Activation = float;
  static constexpr Math math = Math::tf32;
  static constexpr const char* name = "TF32";
};

// Activations, and the copies of the parameters that products read, are bfloat16; sums are float32.
struct BFloat16 {
  using Activation = Bf16;
  static constexpr Math math = Math::bf16;
  static constexpr const char* name = "bfloat16";
};

template <class P>
concept Precision = requires {
  typename P::Activation;
  { P::math } -> std::convertible_to<Math>;
  { P::name } -> std::convertible_to<const char*>;
};

constexpr const char* name_of(Math math) {
  return math == Math::float32 ? Float32::name : math == Math::tf32 ? TF32::name : BFloat16::name;
}

// The types of numbers in the device's memory.
enum class Number { float32, bf16 };

constexpr std::int64_t bytes_of(Number type) { return type == Number::bf16 ? 2 : 4; }
constexpr Number activation(Math math) { return math == Math::bf16 ? Number::bf16 : Number::float32; }

// Pointers to tensors and workspaces of cuDNN's and cuBLASLt's plans must be multiples of this many bytes.
inline constexpr std::int64_t alignment = 16;

}  // namespace strata::inline STRATA_ABI::cuda
