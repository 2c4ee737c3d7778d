// SPDX-License-Identifier: BSL-1.0
// The functions of image.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/image.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE bool Image::valid() const {
  return height > 0 && width > 0 && (channels == 1 || channels == 3) &&
         pixels.size() / static_cast<std::size_t>(channels) / static_cast<std::size_t>(width) ==
             static_cast<std::size_t>(height) &&
         pixels.size() % (static_cast<std::size_t>(channels) * static_cast<std::size_t>(width)) == 0;
}

STRATA_DEFINE Image to_image(const PixelView& view) {
  const auto fail = [&view](const char* what) {
    throw std::invalid_argument("strata: pixels of " + std::to_string(view.height) + "x" + std::to_string(view.width) +
                                "x" + std::to_string(view.channels) + " with a stride of " + std::to_string(view.stride) +
                                ": " + what);
  };
  if (view.pixels == nullptr || view.height < 1 || view.width < 1) fail("there are none; expected sides of 1 or more");
  if (view.channels != 1 && view.channels != 3 && view.channels != 4) fail("expected 1, 3 or 4 channels");
  const std::ptrdiff_t row = std::ptrdiff_t{view.width} * view.channels;
  const std::ptrdiff_t stride = view.stride == 0 ? row : view.stride;
  if (std::abs(stride) < row) fail("rows overlap; expected a stride of a row's bytes or more");
  const int channels = view.channels == 1 ? 1 : 3, red = view.bgr && channels == 3 ? 2 : 0;
  Image image{view.height, view.width, channels, {}};
  image.pixels.reserve(static_cast<std::size_t>(view.height) * static_cast<std::size_t>(view.width * channels));
  for (int y = 0; y < view.height; ++y) {
    const std::uint8_t* pixel = view.pixels + y * stride;
    for (int x = 0; x < view.width; ++x, pixel += view.channels)
      for (int c = 0; c < channels; ++c)
        image.pixels.push_back(pixel[channels == 1 || c == 1 ? c : c == 0 ? red : 2 - red]);
  }
  return image;
}

namespace detail {

// One pixel of a resized row is a weighted sum of the pixels from `first` on; the weights sum to 1.
struct ResizeWeights {
  std::size_t first = 0;
  std::vector<float> weights;
};

// A triangle around the place that the pixel comes from. It is two pixels wide if the row grows, and as wide as two of the
// new pixels if it shrinks. At the edges it is cut off.
STRATA_DEFINE std::vector<ResizeWeights> triangle_weights(int from, int to) {
  const double scale = static_cast<double>(from) / to, reach = std::max(scale, 1.0);
  std::vector<ResizeWeights> all(static_cast<std::size_t>(to));
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale - 0.5;
    const int first = std::max(static_cast<int>(std::ceil(centre - reach)), 0);
    const int last = std::min(static_cast<int>(std::floor(centre + reach)), from - 1);
    ResizeWeights& pixel = all[static_cast<std::size_t>(i)];
    pixel.first = static_cast<std::size_t>(first);
    double sum = 0;
    for (int k = first; k <= last; ++k) sum += 1 - std::abs(k - centre) / reach;
    for (int k = first; k <= last; ++k)
      pixel.weights.push_back(static_cast<float>((1 - std::abs(k - centre) / reach) / sum));
  }
  return all;
}

// Rows first, then columns. Nothing is rounded in between.
template <int Channels, class Pixel>
std::vector<float> resized_channels(const Pixel* pixels, std::size_t row, const ImageBox& part, int height, int width) {
  constexpr auto channels = static_cast<std::size_t>(Channels);
  const auto h = static_cast<std::size_t>(height), w = static_cast<std::size_t>(width);
  const auto across = triangle_weights(part.width, width), down = triangle_weights(part.height, height);
  const auto part_h = static_cast<std::size_t>(part.height);
  std::vector<float> rows(part_h * w * channels);
  for (std::size_t y = 0; y < part_h; ++y) {
    const Pixel* const line =
        pixels + (static_cast<std::size_t>(part.top) + y) * row + static_cast<std::size_t>(part.left) * channels;
    for (std::size_t x = 0; x < w; ++x) {
      float sum[channels] = {};
      const Pixel* from = line + across[x].first * channels;
      for (const float weight : across[x].weights)
        for (std::size_t c = 0; c < channels; ++c) sum[c] += weight * static_cast<float>(*from++);
      std::copy_n(sum, channels, &rows[(y * w + x) * channels]);
    }
  }
  std::vector<float> out(h * w * channels);
  for (std::size_t y = 0; y < h; ++y) {
    float* const to = &out[y * w * channels];
    const float* from = &rows[down[y].first * w * channels];
    for (const float weight : down[y].weights) {
      for (std::size_t i = 0; i < w * channels; ++i) to[i] += weight * from[i];
      from += w * channels;
    }
  }
  return out;
}

template <class Pixel>
std::vector<float> resized_pixels(const Pixel* pixels, int width, const ImageBox& part, int channels, int height,
                                  int to_width) {
  const std::size_t row = static_cast<std::size_t>(width) * static_cast<std::size_t>(channels);
  if (channels == 3) return resized_channels<3>(pixels, row, part, height, to_width);
  if (channels == 1) return resized_channels<1>(pixels, row, part, height, to_width);
  // Channel after channel.
  const auto n = static_cast<std::size_t>(channels);
  std::vector<float> out(static_cast<std::size_t>(height) * static_cast<std::size_t>(to_width) * n);
  const std::size_t last = static_cast<std::size_t>(part.top + part.height) * static_cast<std::size_t>(width);
  std::vector<Pixel> plane(last);
  for (std::size_t c = 0; c < n; ++c) {
    for (std::size_t i = 0; i < last; ++i) plane[i] = pixels[i * n + c];
    const std::vector<float> one =
        resized_channels<1>(plane.data(), static_cast<std::size_t>(width), part, height, to_width);
    for (std::size_t i = 0; i < one.size(); ++i) out[i * n + c] = one[i];
  }
  return out;
}

STRATA_DEFINE std::vector<float> resized(const float* pixels, int width, const ImageBox& part, int channels, int height,
                                         int to_width) {
  return resized_pixels(pixels, width, part, channels, height, to_width);
}
STRATA_DEFINE std::vector<float> resized(const std::uint8_t* pixels, int width, const ImageBox& part, int channels,
                                         int height, int to_width) {
  return resized_pixels(pixels, width, part, channels, height, to_width);
}

STRATA_DEFINE void check_part(const Image& image, const ImageBox& part) {
  if (part.top < 0 || part.left < 0 || part.height < 1 || part.width < 1 || part.height > image.height - part.top ||
      part.width > image.width - part.left)
    throw std::invalid_argument("strata: no part of " + std::to_string(part.height) + "x" + std::to_string(part.width) +
                                " at row " + std::to_string(part.top) + " and column " + std::to_string(part.left) +
                                " of an image of " + std::to_string(image.height) + "x" + std::to_string(image.width));
}

STRATA_DEFINE ImageSides sides_for(int image_height, int image_width, int short_side) {
  const auto longer = [&](int side, int other) { return static_cast<int>(std::int64_t{short_side} * side / other); };
  return image_height <= image_width ? ImageSides{short_side, longer(image_width, image_height)}
                                     : ImageSides{longer(image_height, image_width), short_side};
}

}  // namespace detail

STRATA_DEFINE Image resize(const Image& image, int height, int width) {
  return resize(image, ImageBox{0, 0, image.height, image.width}, height, width);
}

STRATA_DEFINE Image resize(const Image& image, const ImageBox& part, int height, int width) {
  if (!image.valid() || height < 1 || width < 1)
    throw std::invalid_argument("strata: an image of " + std::to_string(image.height) + "x" + std::to_string(image.width) +
                                "x" + std::to_string(image.channels) + " with " + std::to_string(image.pixels.size()) +
                                " bytes cannot be resized to " + std::to_string(height) + "x" + std::to_string(width));
  detail::check_part(image, part);
  if (part.height == height && part.width == width) return crop(image, part);
  const std::vector<float> floats = detail::resized(image.pixels.data(), image.width, part, image.channels, height, width);
  Image out{height, width, image.channels, std::vector<std::uint8_t>(floats.size())};
  std::transform(floats.begin(), floats.end(), out.pixels.begin(),
                 [](float x) { return static_cast<std::uint8_t>(std::clamp(x + 0.5f, 0.f, 255.f)); });
  return out;
}

STRATA_DEFINE Image crop(const Image& image, const ImageBox& part) {
  detail::check_part(image, part);
  Image out{part.height, part.width, image.channels, {}};
  const auto row = static_cast<std::ptrdiff_t>(image.width) * image.channels,
             one = static_cast<std::ptrdiff_t>(part.width) * image.channels;
  out.pixels.reserve(static_cast<std::size_t>(part.height * one));
  for (int y = 0; y < part.height; ++y) {
    const auto from = image.pixels.begin() + (part.top + y) * row + std::ptrdiff_t{part.left} * image.channels;
    out.pixels.insert(out.pixels.end(), from, from + one);
  }
  return out;
}

STRATA_DEFINE Image resize_and_crop(const Image& image, int short_side, int height, int width) {
  if (short_side == 0) short_side = std::max(height, width);
  if (height < 1 || width < 1 || short_side < std::max(height, width))
    throw std::invalid_argument("strata: " + std::to_string(height) + "x" + std::to_string(width) +
                                " cannot be cut from an image with the short side " + std::to_string(short_side));
  if (!image.valid()) return resize(image, height, width);  // throws
  const auto [h, w] = detail::sides_for(image.height, image.width, short_side);
  // Half a pixel is rounded to an even number, as Python's round does.
  const auto middle = [](int whole, int part) { return static_cast<int>(std::nearbyint((whole - part) / 2.0)); };
  return crop(resize(image, h, w), {middle(h, height), middle(w, width), height, width});
}

STRATA_DEFINE Image to_grey(const Image& image) {
  if (image.channels == 1) return image;
  Image out{image.height, image.width, 1, {}};
  out.pixels.reserve(image.pixels.size() / 3);
  for (std::size_t i = 0; i + 3 <= image.pixels.size(); i += 3)
    out.pixels.push_back(static_cast<std::uint8_t>(
        (299 * image.pixels[i] + 587 * image.pixels[i + 1] + 114 * image.pixels[i + 2] + 500) / 1000));
  return out;
}

STRATA_DEFINE Image upright(Image image, int orientation) {
  if (orientation < 2 || orientation > 8 || !image.valid()) return image;
  const bool swap = orientation >= 5;  // rows become columns
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 6;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  Image out{swap ? image.width : image.height, swap ? image.height : image.width, image.channels, {}};
  out.pixels.reserve(image.pixels.size());
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      int row = swap ? x : y, column = swap ? y : x;
      if (from_bottom) row = image.height - 1 - row;
      if (from_right) column = image.width - 1 - column;
      const auto from = image.pixels.begin() + (std::ptrdiff_t{row} * image.width + column) * image.channels;
      out.pixels.insert(out.pixels.end(), from, from + image.channels);
    }
  return out;
}

STRATA_DEFINE int exif_orientation(std::span<const std::uint8_t> exif) {
  constexpr std::uint8_t name[] = {'E', 'x', 'i', 'f', 0, 0};
  if (exif.size() >= 6 && std::equal(std::begin(name), std::end(name), exif.begin())) exif = exif.subspan(6);
  if (exif.size() < 8 || exif[0] != exif[1] || (exif[0] != 'I' && exif[0] != 'M')) return 1;
  // TIFF: numbers with the low byte first (I) or the high one (M).
  const bool low_first = exif[0] == 'I';
  const auto number = [&](std::size_t at, std::size_t bytes) -> std::size_t {
    std::size_t n = 0;
    for (std::size_t i = 0; i < bytes; ++i) n = n << 8 | exif[at + (low_first ? bytes - 1 - i : i)];
    return n;
  };
  const std::size_t directory = number(4, 4);
  if (number(2, 2) != 42 || directory > exif.size() - 2) return 1;
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + 12 * i;
    if (at + 12 > exif.size()) return 1;
    constexpr std::size_t orientation_tag = 0x112, short_type = 3;
    if (number(at, 2) != orientation_tag) continue;
    const std::size_t value = number(at + 8, 2);
    return number(at + 2, 2) == short_type && number(at + 4, 4) == 1 && value >= 1 && value <= 8 ? static_cast<int>(value)
                                                                                                 : 1;
  }
  return 1;
}

}  // namespace strata::inline STRATA_ABI
