// SPDX-License-Identifier: BSL-1.0
// What happens to one pixel on its way into a batch. Batches, a GPU (backend/cuda/augment.hpp) and to_input
// (io/data_info.hpp) call the same functions, so that they compute the same bits.
#pragma once
#include <cstdint>

#include <strata/core/host_device.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

// Bytes 0..255 become [0, 1]; floats stay as they are.
STRATA_HOST_DEVICE constexpr float unit_value(std::uint8_t x) { return static_cast<float>(x) / 255.f; }
STRATA_HOST_DEVICE constexpr float unit_value(float x) { return x; }

STRATA_HOST_DEVICE constexpr float lerp(float from, float to, float part) { return from + part * (to - from); }

// The value between four pixels: `right` of the way from left to right, `down` of the way from the upper to the lower.
STRATA_HOST_DEVICE constexpr float bilinear(float upper_left, float upper_right, float lower_left, float lower_right,
                                            float right, float down) {
  return lerp(lerp(upper_left, upper_right, right), lerp(lower_left, lower_right, right), down);
}

// (x - mean) / stddev of channel c; a null pointer leaves its part out.
STRATA_HOST_DEVICE constexpr float normalized(float x, const float* mean, const float* stddev, int c) {
  if (mean) x -= mean[c];
  if (stddev) x /= stddev[c];
  return x;
}

}  // namespace strata::inline STRATA_ABI::detail
