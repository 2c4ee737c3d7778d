// SPDX-License-Identifier: BSL-1.0
// The functions of augment.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/data/augment.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE void Augment::validate(Shape image) const {
  for (const double shift : {width_shift, height_shift})
    if (!(shift >= 0 && shift <= 1))
      throw std::invalid_argument("strata: a shift by " + std::to_string(shift) + " of the size is not in [0, 1]");
  if (pad_crop < 0 || pad_crop > std::min(image.height, image.width))
    throw std::invalid_argument("strata: pad_crop " + std::to_string(pad_crop) + " is not from 0 to the image's " +
                                std::to_string(std::min(image.height, image.width)) + " pixels");
  if (horizontal_flip && alternating_flip)
    throw std::invalid_argument("strata: choose horizontal_flip or alternating_flip, not both");
  if (reflect_border && width_shift == 0 && height_shift == 0 && pad_crop == 0)
    throw std::invalid_argument("strata: reflect_border needs a shift or pad_crop, which show the border");
  for (const double alpha : {mixup, cutmix})
    if (!(alpha >= 0 && std::isfinite(alpha)))
      throw std::invalid_argument("strata: mixup or cutmix of " + detail::number_text(alpha) + " is not at least 0");
  for (const ImageTransform& transform : transforms) transform.validate(image);
}

STRATA_DEFINE std::string Augment::describe() const {
  std::string text = "width_shift " + detail::number_text(width_shift) + ", height_shift " +
                     detail::number_text(height_shift) + (horizontal_flip ? ", horizontal_flip" : "") +
                     (alternating_flip ? ", alternating_flip" : "") + ", pad_crop " + std::to_string(pad_crop) +
                     (reflect_border ? ", reflect_border" : "");
  for (const ImageTransform& transform : transforms) text += ", " + transform.describe();
  if (mixup != 0) text += ", mixup " + detail::number_text(mixup);
  if (cutmix != 0) text += ", cutmix " + detail::number_text(cutmix);
  return text;
}

STRATA_DEFINE void Normalize::validate(int channels) const {
  for (const auto* v : {&mean, &stddev})
    if (!v->empty() && v->size() != static_cast<std::size_t>(channels))
      throw std::invalid_argument("strata: Normalize has " + std::to_string(v->size()) + " numbers for " +
                                  std::to_string(channels) + " channels");
  for (const float m : mean)
    if (!std::isfinite(m)) throw std::invalid_argument("strata: a mean of " + std::to_string(m) + " is not finite");
  for (const float d : stddev)
    if (!(d > 0 && std::isfinite(d)))
      throw std::invalid_argument("strata: a stddev of " + std::to_string(d) + " is not above 0 and finite");
}

namespace detail {

STRATA_DEFINE void move_image(Shape s, const Movement& m, const float* from, float* to) {
  const AxisMovement rows(m.down, m.crop_down, s.height, m.reflect), columns(m.right, m.crop_right, s.width, m.reflect);
  const auto channels = static_cast<std::ptrdiff_t>(s.channels), row = s.width * channels;
  const float down = rows.part, right = columns.part;
  for (int i = 0; i < s.height; ++i) {
    const float* upper = from + rows.first(i) * row;
    const float* lower = from + rows.second(i) * row;
    const bool row_inside = rows.inside(i);
    for (int j = 0; j < s.width; ++j, to += channels) {
      const int x = m.flip ? s.width - 1 - j : j;
      if (!row_inside || !columns.inside(x)) {
        std::fill_n(to, channels, 0.f);
        continue;
      }
      const std::ptrdiff_t first = columns.first(x) * channels, second = columns.second(x) * channels;
      for (std::ptrdiff_t c = 0; c < channels; ++c)
        to[c] = bilinear(upper[first + c], upper[second + c], lower[first + c], lower[second + c], right, down);
    }
  }
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
