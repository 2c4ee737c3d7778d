// SPDX-License-Identifier: BSL-1.0
// The functions of bmp.hpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/bmp.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE std::vector<std::uint8_t> bmp(const Image& image) {
  constexpr int largest = 1 << 14;
  if (!image.valid() || image.height > largest || image.width > largest)
    throw std::invalid_argument("strata: an image of " + std::to_string(image.height) + "x" + std::to_string(image.width) +
                                "x" + std::to_string(image.channels) + " with " + std::to_string(image.pixels.size()) +
                                " bytes; expected 1 or 3 channels, a byte each, and sides of at most " +
                                std::to_string(largest));
  const auto height = static_cast<std::size_t>(image.height), width = static_cast<std::size_t>(image.width);
  const auto channels = static_cast<std::size_t>(image.channels);
  const std::size_t row = (width * 3 + 3) / 4 * 4;
  std::vector<std::uint8_t> out;
  out.reserve(54 + row * height);
  const auto number = [&out](std::size_t n, int bytes) {
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<std::uint8_t>(n >> (8 * i) & 255));
  };
  out.assign({'B', 'M'});
  number(54 + row * height, 4), number(0, 4), number(54, 4);
  number(40, 4), number(width, 4), number(height, 4), number(1, 2), number(24, 2);
  number(0, 4), number(row * height, 4), number(2835, 4), number(2835, 4), number(0, 4), number(0, 4);
  for (std::size_t y = height; y-- > 0;) {
    const std::uint8_t* from = image.pixels.data() + y * width * channels;
    for (std::size_t x = 0; x < width; ++x, from += channels)
      for (std::size_t c = 3; c-- > 0;) out.push_back(from[channels == 1 ? 0 : c]);
    out.resize(out.size() + row - width * 3);
  }
  return out;
}

}  // namespace strata::inline STRATA_ABI
