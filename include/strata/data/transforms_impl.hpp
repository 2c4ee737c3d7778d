// SPDX-License-Identifier: BSL-1.0
// The functions of transforms.hpp.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/augment.hpp>
#include <strata/data/image.hpp>
#include <strata/data/pixels.hpp>
#include <strata/data/transforms.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

STRATA_DEFINE void refuse_transform(const std::string& what) { throw std::invalid_argument("strata: " + what); }

STRATA_DEFINE void check_area_and_aspect(const std::string& name, double least_area, double most_area, double least_aspect,
                                         double most_aspect) {
  if (!(least_area > 0 && least_area <= most_area && most_area <= 1))
    refuse_transform(name + " has areas from " + number_text(least_area) + " to " + number_text(most_area) +
                     "; expected more than 0, up to 1");
  if (!(least_aspect > 0 && least_aspect <= most_aspect && std::isfinite(most_aspect)))
    refuse_transform(name + " has aspects from " + number_text(least_aspect) + " to " + number_text(most_aspect) +
                     "; expected more than 0");
}

STRATA_DEFINE std::string area_and_aspect_text(double least_area, double most_area, double least_aspect,
                                               double most_aspect) {
  return "area " + number_text(least_area) + " to " + number_text(most_area) + ", aspect " + number_text(least_aspect) +
         " to " + number_text(most_aspect);
}

STRATA_DEFINE double draw_between(double least, double most, const Random& random, std::uint64_t element) {
  return least + (most - least) * static_cast<double>(random.uniform(element));
}

// A box has these sides if it has the area, and a random aspect (width over height).
STRATA_DEFINE ImageSides draw_sides(double area, double least_aspect, double most_aspect, const Random& random,
                                    std::uint64_t element) {
  const double aspect = std::exp(draw_between(std::log(least_aspect), std::log(most_aspect), random, element));
  return {static_cast<int>(std::lround(std::sqrt(area / aspect))), static_cast<int>(std::lround(std::sqrt(area * aspect)))};
}

STRATA_DEFINE int draw_below(int n, const Random& random, std::uint64_t element) {
  return static_cast<int>(random.below(static_cast<std::uint32_t>(n), element));
}

// Rec. 601 with the digits that torchvision has.
STRATA_DEFINE float brightness_of(const float* rgb) { return 0.2989f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2]; }

STRATA_DEFINE void adjust_brightness(std::span<float> image, float factor) {
  for (float& x : image) x = std::clamp(x * factor, 0.f, 1.f);
}

STRATA_DEFINE void adjust_contrast(std::span<float> image, int channels, float factor) {
  const auto step = static_cast<std::size_t>(channels);
  double sum = 0;
  for (std::size_t i = 0; i < image.size(); i += step)
    sum += static_cast<double>(channels == 3 ? brightness_of(&image[i]) : image[i]);
  const auto mean = static_cast<float>(sum / static_cast<double>(image.size() / step));
  for (float& x : image) x = std::clamp(factor * x + (1 - factor) * mean, 0.f, 1.f);
}

STRATA_DEFINE void adjust_saturation(std::span<float> image, float factor) {
  for (std::size_t i = 0; i < image.size(); i += 3) {
    const float grey = brightness_of(&image[i]);
    for (std::size_t c = 0; c < 3; ++c) image[i + c] = std::clamp(factor * image[i + c] + (1 - factor) * grey, 0.f, 1.f);
  }
}

STRATA_DEFINE void adjust_hue(std::span<float> image, float turn) {
  for (std::size_t i = 0; i < image.size(); i += 3) {
    float* rgb = &image[i];
    const float most = std::max({rgb[0], rgb[1], rgb[2]}), least = std::min({rgb[0], rgb[1], rgb[2]}),
                chroma = most - least;
    if (!(chroma > 0)) continue;  // grey has no hue
    // Sixths of the circle: red at 0, green at 2, blue at 4.
    float hue = most == rgb[0]   ? (rgb[1] - rgb[2]) / chroma
                : most == rgb[1] ? 2 + (rgb[2] - rgb[0]) / chroma
                                 : 4 + (rgb[0] - rgb[1]) / chroma;
    hue += 6 * turn;
    for (std::size_t c = 0; c < 3; ++c) {
      // The distance from this channel's own hue on the circle: full within a sixth, none from two sixths on.
      float away = std::fmod(std::abs(hue - 2 * static_cast<float>(c)), 6.f);
      away = std::min(away, 6 - away);
      rgb[c] = least + chroma * std::clamp(2 - away, 0.f, 1.f);
    }
  }
}

STRATA_DEFINE void warp_image(std::span<float> image, Shape shape, const Warp& warp) {
  const std::vector<float> from(image.begin(), image.end());
  const double middle_y = (shape.height - 1) / 2.0, middle_x = (shape.width - 1) / 2.0;
  const auto channels = static_cast<std::size_t>(shape.channels);
  const auto pixel = [&](int y, int x, std::size_t c) {
    if (warp.reflect)
      y = reflected(y, shape.height), x = reflected(x, shape.width);
    else if (y < 0 || y >= shape.height || x < 0 || x >= shape.width)
      return warp.value;
    return from[static_cast<std::size_t>(y * shape.width + x) * channels + c];
  };
  float* to = image.data();
  for (int i = 0; i < shape.height; ++i)
    for (int j = 0; j < shape.width; ++j) {
      const double dy = i - middle_y, dx = j - middle_x;
      const double y = middle_y + warp.a * dy + warp.b * dx, x = middle_x + warp.c * dy + warp.d * dx;
      const int top = static_cast<int>(std::floor(y)), left = static_cast<int>(std::floor(x));
      const auto down = static_cast<float>(y - top), right = static_cast<float>(x - left);
      for (std::size_t c = 0; c < channels; ++c)
        *to++ = bilinear(pixel(top, left, c), pixel(top, left + 1, c), pixel(top + 1, left, c), pixel(top + 1, left + 1, c),
                         right, down);
    }
}

STRATA_DEFINE std::string outside_text(bool reflect, double value) {
  return reflect ? ", reflect" : ", value " + number_text(value);
}

}  // namespace detail

STRATA_DEFINE void RandomErasing::validate(Shape) const {
  if (!(probability >= 0 && probability <= 1))
    detail::refuse_transform("RandomErasing has the probability " + detail::number_text(probability));
  detail::check_area_and_aspect("RandomErasing", least_area, most_area, least_aspect, most_aspect);
  if (!std::isfinite(value)) detail::refuse_transform("RandomErasing paints a value that is not finite");
}

STRATA_DEFINE void RandomErasing::operator()(std::span<float> image, Shape shape, const Random& random) const {
  if (!(static_cast<double>(random.uniform(0)) < probability)) return;
  const double area = static_cast<double>(shape.height) * shape.width;
  for (std::uint64_t element = 4; element < 44; element += 4) {
    // The aspect is height over width here.
    const auto [width, height] = detail::draw_sides(area * detail::draw_between(least_area, most_area, random, element),
                                                    least_aspect, most_aspect, random, element + 1);
    if (height < 1 || width < 1 || height > shape.height || width > shape.width) continue;
    const int top = detail::draw_below(shape.height - height + 1, random, element + 2);
    const int left = detail::draw_below(shape.width - width + 1, random, element + 3);
    for (int y = top; y < top + height; ++y)
      std::fill_n(image.begin() + (std::ptrdiff_t{y} * shape.width + left) * shape.channels,
                  std::ptrdiff_t{width} * shape.channels, static_cast<float>(value));
    return;
  }
}

STRATA_DEFINE std::string RandomErasing::describe() const {
  return "RandomErasing{probability " + detail::number_text(probability) + ", " +
         detail::area_and_aspect_text(least_area, most_area, least_aspect, most_aspect) + ", value " +
         detail::number_text(value) + "}";
}

STRATA_DEFINE void RandomResizedCrop::validate(Shape) const {
  detail::check_area_and_aspect("RandomResizedCrop", least_area, most_area, least_aspect, most_aspect);
}

STRATA_DEFINE ImageBox RandomResizedCrop::draw(int height, int width, const Random& random) const {
  const double area = static_cast<double>(height) * width;
  for (std::uint64_t element = 0; element < 40; element += 4) {
    const auto [h, w] = detail::draw_sides(area * detail::draw_between(least_area, most_area, random, element),
                                           least_aspect, most_aspect, random, element + 1);
    if (h >= 1 && w >= 1 && h <= height && w <= width)
      return {detail::draw_below(height - h + 1, random, element + 2),
              detail::draw_below(width - w + 1, random, element + 3), h, w};
  }
  const double aspect = static_cast<double>(width) / height;
  int h = height, w = width;
  if (aspect < least_aspect) h = std::max(static_cast<int>(std::lround(width / least_aspect)), 1);
  if (aspect > most_aspect) w = std::max(static_cast<int>(std::lround(height * most_aspect)), 1);
  return {(height - h) / 2, (width - w) / 2, h, w};
}

STRATA_DEFINE void RandomResizedCrop::operator()(std::span<float> image, Shape shape, const Random& random) const {
  const ImageBox part = draw(shape.height, shape.width, random);
  const std::vector<float> resized =
      detail::resized(image.data(), shape.width, part, shape.channels, shape.height, shape.width);
  std::copy(resized.begin(), resized.end(), image.begin());
}

STRATA_DEFINE std::string RandomResizedCrop::describe() const {
  return "RandomResizedCrop{" + detail::area_and_aspect_text(least_area, most_area, least_aspect, most_aspect) + "}";
}

STRATA_DEFINE void RandomRotation::validate(Shape) const {
  if (!(degrees >= 0 && degrees <= 180))
    detail::refuse_transform("RandomRotation by " + detail::number_text(degrees) + " degrees; expected 0 to 180");
  if (!std::isfinite(value)) detail::refuse_transform("RandomRotation fills with a value that is not finite");
}

STRATA_DEFINE void RandomRotation::operator()(std::span<float> image, Shape shape, const Random& random) const {
  const double angle = detail::draw_between(-degrees, degrees, random, 0) * std::numbers::pi / 180;
  const double cosine = std::cos(angle), sine = std::sin(angle);
  detail::warp_image(
      image, shape,
      {.a = cosine, .b = sine, .c = -sine, .d = cosine, .reflect = reflect, .value = static_cast<float>(value)});
}

STRATA_DEFINE std::string RandomRotation::describe() const {
  return "RandomRotation{degrees " + detail::number_text(degrees) + detail::outside_text(reflect, value) + "}";
}

STRATA_DEFINE void RandomZoom::validate(Shape) const {
  if (!(least > 0 && least <= most && std::isfinite(most)))
    detail::refuse_transform("RandomZoom by " + detail::number_text(least) + " to " + detail::number_text(most) +
                             "; expected more than 0");
  if (!std::isfinite(value)) detail::refuse_transform("RandomZoom fills with a value that is not finite");
}

STRATA_DEFINE void RandomZoom::operator()(std::span<float> image, Shape shape, const Random& random) const {
  const double back = 1 / detail::draw_between(least, most, random, 0);
  detail::warp_image(image, shape,
                     {.a = back, .b = 0, .c = 0, .d = back, .reflect = reflect, .value = static_cast<float>(value)});
}

STRATA_DEFINE std::string RandomZoom::describe() const {
  return "RandomZoom{" + detail::number_text(least) + " to " + detail::number_text(most) +
         detail::outside_text(reflect, value) + "}";
}

STRATA_DEFINE void ColorJitter::validate(Shape image) const {
  for (const double x : {brightness, contrast, saturation})
    if (!(x >= 0 && std::isfinite(x)))
      detail::refuse_transform("ColorJitter by " + detail::number_text(x) + "; expected 0 or more");
  if (!(hue >= 0 && hue <= 0.5))
    detail::refuse_transform("ColorJitter turns the hue by " + detail::number_text(hue) + "; expected 0 to 0.5");
  if (image.channels != 3 && (image.channels != 1 || saturation != 0 || hue != 0))
    detail::refuse_transform(
        "ColorJitter needs three channels, or one for brightness and contrast alone; the images have " +
        std::to_string(image.channels));
}

STRATA_DEFINE void ColorJitter::operator()(std::span<float> image, Shape shape, const Random& random) const {
  std::array<int, 4> order{0, 1, 2, 3};
  for (int i = 4; i > 1; --i)
    std::swap(order[static_cast<std::size_t>(i - 1)],
              order[static_cast<std::size_t>(detail::draw_below(i, random, static_cast<std::uint64_t>(i)))]);
  const auto factor = [&](double by, std::uint64_t element) {
    return static_cast<float>(detail::draw_between(std::max(0.0, 1 - by), 1 + by, random, element));
  };
  for (const int which : order) {
    if (which == 0 && brightness > 0) detail::adjust_brightness(image, factor(brightness, 8));
    if (which == 1 && contrast > 0) detail::adjust_contrast(image, shape.channels, factor(contrast, 9));
    if (which == 2 && saturation > 0) detail::adjust_saturation(image, factor(saturation, 10));
    if (which == 3 && hue > 0) detail::adjust_hue(image, static_cast<float>(detail::draw_between(-hue, hue, random, 11)));
  }
}

STRATA_DEFINE std::string ColorJitter::describe() const {
  return "ColorJitter{brightness " + detail::number_text(brightness) + ", contrast " + detail::number_text(contrast) +
         ", saturation " + detail::number_text(saturation) + ", hue " + detail::number_text(hue) + "}";
}

STRATA_DEFINE void PcaColorNoise::validate(Shape image) const {
  if (!(stddev >= 0 && std::isfinite(stddev)))
    detail::refuse_transform("PcaColorNoise of " + detail::number_text(stddev) + "; expected 0 or more");
  if (image.channels != 3)
    detail::refuse_transform("PcaColorNoise needs three channels; the images have " + std::to_string(image.channels));
}

STRATA_DEFINE void PcaColorNoise::operator()(std::span<float> image, Shape, const Random& random) const {
  std::array<double, 3> colour{};
  for (std::size_t k = 0; k < 3; ++k) {
    // Box, Muller.
    const double u = (static_cast<double>(random.bits(2 * k)) + 0.5) * 0x1p-32;
    const double turn = 2 * std::numbers::pi * static_cast<double>(random.uniform(2 * k + 1));
    const double amount = stddev * std::sqrt(-2 * std::log(u)) * std::cos(turn) * values[k];
    for (std::size_t c = 0; c < 3; ++c) colour[c] += amount * vectors[c][k];
  }
  for (std::size_t i = 0; i < image.size(); i += 3)
    for (std::size_t c = 0; c < 3; ++c) image[i + c] += static_cast<float>(colour[c]);
}

STRATA_DEFINE std::string PcaColorNoise::describe() const {
  std::string text = "PcaColorNoise{stddev " + detail::number_text(stddev) + ", values";
  for (const double v : values) text += " " + detail::number_text(v);
  text += ", vectors";
  for (const auto& row : vectors)
    for (const double v : row) text += " " + detail::number_text(v);
  return text + "}";
}

}  // namespace strata::inline STRATA_ABI
