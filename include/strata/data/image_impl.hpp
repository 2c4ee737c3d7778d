// SPDX-License-Identifier: BSL-1.0
// The functions of image.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
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

}  // namespace detail

STRATA_DEFINE Image resize(const Image& image, int height, int width) {
  if (!image.valid() || height < 1 || width < 1)
    throw std::invalid_argument("strata: an image of " + std::to_string(image.height) + "x" + std::to_string(image.width) +
                                "x" + std::to_string(image.channels) + " with " + std::to_string(image.pixels.size()) +
                                " bytes cannot be resized to " + std::to_string(height) + "x" + std::to_string(width));
  const auto h = static_cast<std::size_t>(height), w = static_cast<std::size_t>(width);
  const auto source_h = static_cast<std::size_t>(image.height), source_w = static_cast<std::size_t>(image.width);
  const auto channels = static_cast<std::size_t>(image.channels);
  const auto across = detail::triangle_weights(image.width, width), down = detail::triangle_weights(image.height, height);
  std::vector<float> rows(source_h * w * channels);  // every row of the image at its new width
  for (std::size_t y = 0; y < source_h; ++y)
    for (std::size_t x = 0; x < w; ++x)
      for (std::size_t k = 0; k < across[x].weights.size(); ++k)
        for (std::size_t c = 0; c < channels; ++c)
          rows[(y * w + x) * channels + c] +=
              across[x].weights[k] * static_cast<float>(image.pixels[(y * source_w + across[x].first + k) * channels + c]);
  Image out{height, width, image.channels, std::vector<std::uint8_t>(h * w * channels)};
  for (std::size_t y = 0; y < h; ++y)
    for (std::size_t i = 0; i < w * channels; ++i) {
      float sum = 0;
      for (std::size_t k = 0; k < down[y].weights.size(); ++k)
        sum += down[y].weights[k] * rows[(down[y].first + k) * w * channels + i];
      out.pixels[y * w * channels + i] = static_cast<std::uint8_t>(std::clamp(sum + 0.5f, 0.f, 255.f));
    }
  return out;
}

}  // namespace strata::inline STRATA_ABI
