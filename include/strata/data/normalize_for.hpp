// SPDX-License-Identifier: BSL-1.0
// The Normalize that gives each channel of a data set mean 0 and stddev 1.
#pragma once
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <type_traits>

#include <strata/core/linkage.hpp>
#include <strata/data/augment.hpp>
#include <strata/data/dataset.hpp>

namespace strata::inline STRATA_ABI {

// The mean and stddev of each channel over all pixels of all images, as adapt() of Keras' Normalization layer computes
// them. Bytes are scaled to [0, 1] first; floats are taken as they are. For TrainOptions::normalize; use the training
// images alone. A constant channel gets stddev 1. Throws std::invalid_argument if there are no images.
template <Dataset Data>
[[nodiscard]] Normalize normalize_for(const Data& data) {
  constexpr auto channels = static_cast<std::size_t>(Data::image.channels);
  constexpr auto area = static_cast<std::size_t>(Data::image.size()) / channels;
  constexpr bool bytes = std::is_convertible_v<decltype(data.pixels(0)), std::span<const std::uint8_t>>;
  if (data.size() == 0) throw std::invalid_argument("strata: there are no images to compute a mean and a stddev of");
  const double count = static_cast<double>(data.size()) * static_cast<double>(area), unit = bytes ? 255 : 1;
  // Two passes: a difference of squares would lose the digits of the stddev if the mean is large.
  const auto mean_of = [&](auto f) {
    std::array<double, channels> sums{};
    for (std::size_t i = 0; i < data.size(); ++i) {
      const auto pixels = data.pixels(i);
      for (std::size_t p = 0; p < area; ++p)
        for (std::size_t c = 0; c < channels; ++c) sums[c] += f(static_cast<double>(pixels[p * channels + c]), c);
    }
    for (double& sum : sums) sum /= count;
    return sums;
  };
  const auto mean = mean_of([](double x, std::size_t) { return x; });
  const auto variance = mean_of([&](double x, std::size_t c) { return (x - mean[c]) * (x - mean[c]); });
  Normalize normalize;
  for (std::size_t c = 0; c < channels; ++c) {
    const double stddev = std::sqrt(variance[c]);
    const bool same = stddev <= std::numeric_limits<float>::epsilon() * std::abs(mean[c]);
    normalize.mean.push_back(static_cast<float>(mean[c] / unit));
    normalize.stddev.push_back(same ? 1.f : static_cast<float>(stddev / unit));
  }
  return normalize;
}

}  // namespace strata::inline STRATA_ABI
