// SPDX-License-Identifier: BSL-1.0
// The functions of image.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/report/image.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE std::vector<Image> filter_images(std::span<const float> kernel, int height, int width, int in, int out) {
  if (height < 1 || width < 1 || in < 1 || out < 1 ||
      kernel.size() != static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * static_cast<std::size_t>(in) *
                           static_cast<std::size_t>(out))
    throw std::invalid_argument("strata: " + std::to_string(kernel.size()) + " numbers; expected a kernel of " +
                                std::to_string(height) + "x" + std::to_string(width) + "x" + std::to_string(in) + "x" +
                                std::to_string(out));
  const auto outputs = static_cast<std::size_t>(out), inputs = static_cast<std::size_t>(in);
  const std::size_t positions = kernel.size() / outputs / inputs;
  std::vector<Image> images;
  for (std::size_t o = 0; o < outputs; ++o) {
    std::vector<float> values;
    for (std::size_t p = 0; p < positions; ++p) {
      float mean = 0;
      for (std::size_t i = 0; i < inputs; ++i) {
        const float w = kernel[(p * inputs + i) * outputs + o];
        if (in == 3)
          values.push_back(w);
        else
          mean += w / static_cast<float>(in);
      }
      if (in != 3) values.push_back(mean);
    }
    images.push_back({height, width, in == 3 ? 3 : 1, detail::stretched(std::span<const float>(values))});
  }
  return images;
}

STRATA_DEFINE Image tiled(std::span<const Image> images, int columns) {
  if (images.empty() || columns < 1) throw std::invalid_argument("strata: there are no images to tile");
  const Image& first = images.front();
  const int count = static_cast<int>(images.size());
  const int across = std::min(columns, count), down = (count + across - 1) / across;
  Image all{down * (first.height + 1) - 1, across * (first.width + 1) - 1, first.channels, {}};
  const auto row_bytes = static_cast<std::ptrdiff_t>(all.width) * all.channels;
  all.pixels.resize(static_cast<std::size_t>(row_bytes * all.height));
  for (int i = 0; i < count; ++i) {
    const Image& p = images[static_cast<std::size_t>(i)];
    if (p.height != first.height || p.width != first.width || p.channels != first.channels ||
        p.pixels.size() != first.pixels.size())
      throw std::invalid_argument("strata: image " + std::to_string(i) + " has another size than the first");
    const std::ptrdiff_t bytes = static_cast<std::ptrdiff_t>(p.width) * p.channels;
    for (int y = 0; y < p.height; ++y) {
      const std::ptrdiff_t row = i / across * (p.height + 1) + y, column = i % across * (p.width + 1);
      std::copy_n(p.pixels.begin() + y * bytes, bytes, all.pixels.begin() + row * row_bytes + column * p.channels);
    }
  }
  return all;
}

}  // namespace strata::inline STRATA_ABI
