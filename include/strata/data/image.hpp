// SPDX-License-Identifier: BSL-1.0
// One picture in memory, and other sizes of it. data/images.hpp reads them from files.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace strata {

struct Image {
  int height = 0, width = 0;
  std::vector<std::uint8_t> pixels{};  // (H,W,3): red, green, blue, 0..255
};

namespace detail {

// What one pixel of a resized row is made of: weights of the pixels from `first` on, which add up to one.
struct Taps {
  std::size_t first = 0;
  std::vector<float> weights;
};

// A triangle around the place that the pixel comes from, two pixels wide where the row grows, and two of the new pixels
// wide where it shrinks; at the edges what is left of it.
inline std::vector<Taps> triangle_taps(int from, int to) {
  const double scale = static_cast<double>(from) / to, reach = std::max(scale, 1.0);
  std::vector<Taps> all(static_cast<std::size_t>(to));
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale - 0.5;
    const int first = std::max(static_cast<int>(std::ceil(centre - reach)), 0);
    const int last = std::min(static_cast<int>(std::floor(centre + reach)), from - 1);
    Taps& taps = all[static_cast<std::size_t>(i)];
    taps.first = static_cast<std::size_t>(first);
    double sum = 0;
    for (int k = first; k <= last; ++k) sum += 1 - std::abs(k - centre) / reach;
    for (int k = first; k <= last; ++k)
      taps.weights.push_back(static_cast<float>((1 - std::abs(k - centre) / reach) / sum));
  }
  return all;
}

}  // namespace detail

// The whole picture at another size, whatever that does to its proportions. Bilinear, with the filter widened as far as the
// picture shrinks, so that every pixel counts and nothing flickers (what Pillow calls BILINEAR); on the values as they are
// stored, as is usual. Throws std::invalid_argument for an empty picture, and sides below 1.
inline Image resize(const Image& image, int height, int width) {
  if (image.height < 1 || image.width < 1 || height < 1 || width < 1 ||
      image.pixels.size() != 3 * static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width))
    throw std::invalid_argument("strata: a picture of " + std::to_string(image.height) + "x" + std::to_string(image.width) +
                                " cannot be made one of " + std::to_string(height) + "x" + std::to_string(width));
  const auto h = static_cast<std::size_t>(height), w = static_cast<std::size_t>(width);
  const auto source_h = static_cast<std::size_t>(image.height), source_w = static_cast<std::size_t>(image.width);
  const auto across = detail::triangle_taps(image.width, width), down = detail::triangle_taps(image.height, height);
  std::vector<float> rows(source_h * w * 3);  // every row of the picture at its new width
  for (std::size_t y = 0; y < source_h; ++y)
    for (std::size_t x = 0; x < w; ++x)
      for (std::size_t k = 0; k < across[x].weights.size(); ++k)
        for (std::size_t c = 0; c < 3; ++c)
          rows[(y * w + x) * 3 + c] +=
              across[x].weights[k] * static_cast<float>(image.pixels[(y * source_w + across[x].first + k) * 3 + c]);
  Image out{height, width, std::vector<std::uint8_t>(h * w * 3)};
  for (std::size_t y = 0; y < h; ++y)
    for (std::size_t i = 0; i < w * 3; ++i) {
      float sum = 0;
      for (std::size_t k = 0; k < down[y].weights.size(); ++k)
        sum += down[y].weights[k] * rows[(down[y].first + k) * w * 3 + i];
      out.pixels[y * w * 3 + i] = static_cast<std::uint8_t>(std::clamp(sum + 0.5f, 0.f, 255.f));
    }
  return out;
}

}  // namespace strata
