// SPDX-License-Identifier: BSL-1.0
// Images of a network's filters and of a data set's samples.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/image.hpp>

namespace strata::inline STRATA_ABI {

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
std::vector<Image> filter_images(std::span<const float> kernel, int height, int width, int in, int out);

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
Image tiled(std::span<const Image> images, int columns);

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

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/report/image_impl.hpp>
#endif
