// SPDX-License-Identifier: BSL-1.0
// Images of a network's filters and of a data set's samples.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/data/image.hpp>

namespace strata {

namespace detail {

// Maps the smallest value to 0 and the largest to 255. If all are equal, all become 128.
template <class T>
std::vector<std::uint8_t> stretched(std::span<const T> values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  std::vector<std::uint8_t> out;
  for (const T v : values)
    out.push_back(*high > *low ? static_cast<std::uint8_t>(
                                     std::lround(255.0 * static_cast<double>(v - *low) / static_cast<double>(*high - *low)))
                               : std::uint8_t{128});
  return out;
}

}  // namespace detail

// A convolution's kernel (height, width, in, out) as one image an output: in colours if `in` is 3, otherwise grey, the mean
// over `in`. Throws std::invalid_argument if the sizes do not fit.
inline std::vector<Image> filter_images(std::span<const float> kernel, int height, int width, int in, int out) {
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

// The filters of a model's first layer with weights; empty unless that is a convolution.
template <class M>
std::vector<Image> filter_images(M& model) {
  std::vector<Image> images;
  bool first = true;
  model.for_each_tensor([&](const std::string&, const auto& info, auto values) {
    const auto side = [&](std::size_t i) { return static_cast<int>(info.shape[i]); };
    if (std::exchange(first, false) && info.rank == 4) images = filter_images(values, side(0), side(1), side(2), side(3));
  });
  return images;
}

// Images of one size in rows of `columns`, with a black line of one pixel between them. Throws std::invalid_argument if
// there are none or their sizes differ.
inline Image tiled(std::span<const Image> images, int columns) {
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

// Sample i of a data set. Floats are stretched from their smallest to their largest. Three channels are colours; otherwise
// the first channel is shown in grey.
template <class Data>
Image image_of(const Data& data, std::size_t i) {
  const auto pixels = data.pixels(i);
  using Pixel = std::remove_cv_t<typename decltype(std::span(pixels))::element_type>;
  constexpr auto channels = static_cast<std::size_t>(Data::image.channels),
                 kept = channels == 3 ? channels : std::size_t{1};
  std::vector<Pixel> values;
  for (std::size_t p = 0; p + channels <= pixels.size(); p += channels)
    values.insert(values.end(), pixels.begin() + static_cast<std::ptrdiff_t>(p),
                  pixels.begin() + static_cast<std::ptrdiff_t>(p + kept));
  Image image{Data::image.height, Data::image.width, static_cast<int>(kept), {}};
  if constexpr (std::is_same_v<Pixel, std::uint8_t>)
    image.pixels = std::move(values);
  else
    image.pixels = detail::stretched(std::span<const Pixel>(values));
  return image;
}

}  // namespace strata
