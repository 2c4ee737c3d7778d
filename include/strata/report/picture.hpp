// SPDX-License-Identifier: BSL-1.0
// Pictures of what is in a network and in a data set, and as files: BMP, which needs no library.
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

namespace strata {

struct Picture {
  int height = 0, width = 0, channels = 3;  // 1: grey, 3: red, green, blue
  std::vector<std::uint8_t> pixels{};       // (H,W,C)
};

namespace detail {

// The smallest format that every browser reads and that needs no library: BMP, 24 bits a pixel, rows from the bottom up,
// each padded to four bytes (Microsoft, BITMAPINFOHEADER). Throws std::invalid_argument for a picture that is none.
inline std::vector<std::uint8_t> bmp(const Picture& p) {
  constexpr int largest = 1 << 14;
  if (p.height < 1 || p.width < 1 || p.height > largest || p.width > largest || (p.channels != 1 && p.channels != 3) ||
      p.pixels.size() != static_cast<std::size_t>(p.height) * static_cast<std::size_t>(p.width * p.channels))
    throw std::invalid_argument("strata: a picture of " + std::to_string(p.height) + "x" + std::to_string(p.width) + "x" +
                                std::to_string(p.channels) + " with " + std::to_string(p.pixels.size()) +
                                " bytes; expected 1 or 3 channels, a byte each, and sides of at most " +
                                std::to_string(largest));
  const auto height = static_cast<std::size_t>(p.height), width = static_cast<std::size_t>(p.width);
  const auto channels = static_cast<std::size_t>(p.channels);
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
    const std::uint8_t* from = p.pixels.data() + y * width * channels;
    for (std::size_t x = 0; x < width; ++x, from += channels)
      for (std::size_t c = 3; c-- > 0;) out.push_back(from[channels == 1 ? 0 : c]);
    out.resize(out.size() + row - width * 3);
  }
  return out;
}

// From the smallest to the largest of the values: 0 to 255; all equal: the middle.
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

// A convolution's kernel (height, width, in, out) as a picture for each of its outputs: in colours where in is 3, else in
// grey as the mean over in. Throws std::invalid_argument where the sizes do not fit.
inline std::vector<Picture> filter_pictures(std::span<const float> kernel, int height, int width, int in, int out) {
  if (height < 1 || width < 1 || in < 1 || out < 1 ||
      kernel.size() != static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * static_cast<std::size_t>(in) *
                           static_cast<std::size_t>(out))
    throw std::invalid_argument("strata: " + std::to_string(kernel.size()) + " numbers are no kernel of " +
                                std::to_string(height) + "x" + std::to_string(width) + "x" + std::to_string(in) + "x" +
                                std::to_string(out));
  const auto outputs = static_cast<std::size_t>(out), inputs = static_cast<std::size_t>(in);
  const std::size_t positions = kernel.size() / outputs / inputs;
  std::vector<Picture> pictures;
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
    pictures.push_back({height, width, in == 3 ? 3 : 1, detail::stretched(std::span<const float>(values))});
  }
  return pictures;
}

// Of a model's first convolution, which has to be its first layer with weights; none where that is another.
template <class M>
std::vector<Picture> filter_pictures(M& model) {
  std::vector<Picture> pictures;
  bool first = true;
  model.for_each_tensor([&](const std::string&, const auto& info, auto values) {
    const auto side = [&](std::size_t i) { return static_cast<int>(info.shape[i]); };
    if (std::exchange(first, false) && info.rank == 4)
      pictures = filter_pictures(values, side(0), side(1), side(2), side(3));
  });
  return pictures;
}

// Pictures of one size in rows of so many, a pixel of black between them. Throws std::invalid_argument where they differ.
inline Picture tiled(std::span<const Picture> pictures, int columns) {
  if (pictures.empty() || columns < 1) throw std::invalid_argument("strata: no pictures to put side by side");
  const Picture& first = pictures.front();
  const int count = static_cast<int>(pictures.size());
  const int across = std::min(columns, count), down = (count + across - 1) / across;
  Picture all{down * (first.height + 1) - 1, across * (first.width + 1) - 1, first.channels, {}};
  const auto row_bytes = static_cast<std::ptrdiff_t>(all.width) * all.channels;
  all.pixels.resize(static_cast<std::size_t>(row_bytes * all.height));
  for (int i = 0; i < count; ++i) {
    const Picture& p = pictures[static_cast<std::size_t>(i)];
    if (p.height != first.height || p.width != first.width || p.channels != first.channels ||
        p.pixels.size() != first.pixels.size())
      throw std::invalid_argument("strata: picture " + std::to_string(i) + " has another size than the first");
    const std::ptrdiff_t bytes = static_cast<std::ptrdiff_t>(p.width) * p.channels;
    for (int y = 0; y < p.height; ++y) {
      const std::ptrdiff_t row = i / across * (p.height + 1) + y, column = i % across * (p.width + 1);
      std::copy_n(p.pixels.begin() + y * bytes, bytes, all.pixels.begin() + row * row_bytes + column * p.channels);
    }
  }
  return all;
}

// Sample i of a data set: bytes as they are, floats from the smallest to the largest. In colours with three channels, else
// the first in grey.
template <class Data>
Picture picture_of(const Data& data, std::size_t i) {
  const auto pixels = data.pixels(i);
  using Pixel = std::remove_cv_t<typename decltype(std::span(pixels))::element_type>;
  constexpr auto channels = static_cast<std::size_t>(Data::image.channels),
                 kept = channels == 3 ? channels : std::size_t{1};
  std::vector<Pixel> values;
  for (std::size_t p = 0; p + channels <= pixels.size(); p += channels)
    values.insert(values.end(), pixels.begin() + static_cast<std::ptrdiff_t>(p),
                  pixels.begin() + static_cast<std::ptrdiff_t>(p + kept));
  Picture picture{Data::image.height, Data::image.width, static_cast<int>(kept), {}};
  if constexpr (std::is_same_v<Pixel, std::uint8_t>)
    picture.pixels = std::move(values);
  else
    picture.pixels = detail::stretched(std::span<const Pixel>(values));
  return picture;
}

}  // namespace strata
