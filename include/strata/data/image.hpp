// SPDX-License-Identifier: BSL-1.0
// One image in memory: cutting, resizing, turning. data/images.hpp reads images from files, data/bmp.hpp writes them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/util/function_ref.hpp>

namespace strata::inline STRATA_ABI {

struct Image {
  int height = 0, width = 0, channels = 3;  // 1: grey, 3: red, green, blue
  std::vector<std::uint8_t> pixels{};       // (H,W,C), 0..255

  // Whether the sides are positive, the channels 1 or 3, and the pixels as many as these say.
  [[nodiscard]] bool valid() const;
};

// Pixels in somebody else's memory, such as a camera's frame or a part of one: rows of `width` pixels with `channels` bytes
// each, 0..255.
struct PixelView {
  const std::uint8_t* pixels = nullptr;
  int height = 0, width = 0;
  int channels = 3;           // 1: grey, 3: red, green, blue, 4: these and a byte that is ignored
  std::ptrdiff_t stride = 0;  // bytes from one row to the next, below 0 for rows from the bottom up; 0: rows without gaps
  bool bgr = false;           // blue comes first and red third, as in OpenCV
};
// A copy. Throws std::invalid_argument if there are no pixels, for other numbers of channels, and for a stride that is less
// than a row.
[[nodiscard]] Image to_image(const PixelView& view);

// Given the upright height and width of a picture file: by which factor it may be read smaller, 1 for not at all. JPEGs are
// then decoded at a half, a quarter or an eighth, which saves most of the time; other files come whole, and unasked.
using ShrinkPicture = FunctionRef<int(int height, int width)>;

// A part of an image, in pixels.
struct ImageBox {
  int top = 0, left = 0, height = 0, width = 0;
};

// The whole image at another size; its proportions may change. Bilinear, with the filter widened by the factor that the
// image shrinks, so that every pixel counts (Pillow calls this BILINEAR). Computed on the stored values. Throws
// std::invalid_argument for an image that is not valid() and for sides below 1.
Image resize(const Image& image, int height, int width);
// The same of a part, as if it had been cut out before (torchvision's resized_crop). Also throws std::invalid_argument for
// a part that is empty or not inside.
Image resize(const Image& image, const ImageBox& part, int height, int width);
Image crop(const Image& image, const ImageBox& part);
// The image with its shorter side resized to `short_side`, or to the longer side of the result if it is 0; then the middle
// of that: torchvision's Resize(short_side) and CenterCrop((height, width)). Throws std::invalid_argument as resize does,
// and if the short side is below a side of the result.
Image resize_and_crop(const Image& image, int short_side, int height, int width);

// One channel: the brightness, 0.299 red + 0.587 green + 0.114 blue (Rec. 601), as most programs convert to grey.
Image to_grey(const Image& image);

// An image as a camera stored it, upright. `orientation` is the number of EXIF: 1 leaves it as it is, 2 mirrors it, 3 turns
// it by 180 degrees, 4 mirrors it upside down, 5 swaps rows and columns, 6 turns it clockwise, 7 swaps along the other
// diagonal, 8 turns it counterclockwise; others leave it. Pillow's exif_transpose.
Image upright(Image image, int orientation);
// The orientation in EXIF data, with or without the six bytes "Exif" before them; 1 if they name none or are damaged.
[[nodiscard]] int exif_orientation(std::span<const std::uint8_t> exif);

namespace detail {

// pixels: rows of `width` pixels with `channels` each. The part of them at another size, (height, width, channels).
std::vector<float> resized(const float* pixels, int width, const ImageBox& part, int channels, int height, int to_width);
std::vector<float> resized(const std::uint8_t* pixels, int width, const ImageBox& part, int channels, int height,
                           int to_width);
struct ImageSides {
  int height = 0, width = 0;
};
// The size that resize_and_crop cuts its result from.
[[nodiscard]] ImageSides sides_for(int image_height, int image_width, int short_side);

}  // namespace detail

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/data/image_impl.hpp>
#endif
