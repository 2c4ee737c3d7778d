// SPDX-License-Identifier: BSL-1.0
// One image in memory, and resizing. data/images.hpp reads images from files, data/bmp.hpp writes them.
#pragma once
#include <cstdint>
#include <vector>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

struct Image {
  int height = 0, width = 0, channels = 3;  // 1: grey, 3: red, green, blue
  std::vector<std::uint8_t> pixels{};       // (H,W,C), 0..255

  // Whether the sides are positive, the channels 1 or 3, and the pixels as many as these say.
  [[nodiscard]] bool valid() const;
};

// The whole image at another size; its proportions may change. Bilinear, with the filter widened by the factor that the
// image shrinks, so that every pixel counts (Pillow calls this BILINEAR). Computed on the stored values. Throws
// std::invalid_argument for an image that is not valid() and for sides below 1.
Image resize(const Image& image, int height, int width);

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/data/image_impl.hpp>
#endif
