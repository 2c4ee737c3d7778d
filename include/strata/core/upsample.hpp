// SPDX-License-Identifier: BSL-1.0
// How an enlarged map is made from a smaller one, for kernels of all backends.
#pragma once
#include <cstdint>

#include <strata/core/host_device.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>

namespace strata::inline STRATA_ABI {

struct Upsampling {
  Shape in{};  // (H,W,C) of one sample
  int rows = 1, columns = 1;
  bool bilinear = false;
  [[nodiscard]] STRATA_HOST_DEVICE constexpr Shape out() const {
    Shape larger = in;
    larger.height *= rows, larger.width *= columns;
    return larger;
  }
};

// The two elements of one axis that an output is between, and the share of the second.
template <class T>
struct UpsampleTap {
  int low = 0, high = 0;
  T share{0};
};
// Output `at` of an axis of `size` elements that is enlarged by `factor`. Centres of pixels lie in the middle of them:
// align_corners=False in PyTorch, half_pixel_centers in TensorFlow. Beyond the outermost centres a map is constant.
template <class T>
STRATA_HOST_DEVICE constexpr UpsampleTap<T> upsample_tap(int at, int factor, int size, bool bilinear) {
  if (!bilinear) return {at / factor, at / factor, T{0}};
  const T place = (static_cast<T>(at) + static_cast<T>(0.5)) / static_cast<T>(factor) - static_cast<T>(0.5);
  if (place <= T{0}) return {0, 0, T{0}};
  const int low = static_cast<int>(place);
  return {low, low + 1 < size ? low + 1 : low, place - static_cast<T>(low)};
}

}  // namespace strata::inline STRATA_ABI
