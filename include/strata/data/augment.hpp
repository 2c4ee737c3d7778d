// SPDX-License-Identifier: BSL-1.0
// Augmentation as Keras' ImageDataGenerator does it: shifts by a fraction of the size, linear between pixels, the edge
// repeated outside; and flips. Drawn for each image by its index, so that no thread has a say.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/core/shape.hpp>
#include <strata/util/random.hpp>

namespace strata {

// In this order: the shift, the crop, the flip.
struct Augment {
  double width_shift = 0;        // each image by its own share of its width, uniform in [-width_shift, width_shift)
  double height_shift = 0;       // likewise; between pixels linear, outside the nearest pixel
  bool horizontal_flip = false;  // half of the images
  int pad_crop = 0;              // zeros around, this many pixels wide, and a window of the image's size anywhere in that

  [[nodiscard]] bool any() const { return width_shift != 0 || height_shift != 0 || horizontal_flip || pad_crop != 0; }
  // Throws std::invalid_argument for a share outside [0, 1], and a border below 0 or wider than the image.
  void validate(Shape image) const {
    for (const double share : {width_shift, height_shift})
      if (!(share >= 0 && share <= 1))
        throw std::invalid_argument("strata: a shift by " + std::to_string(share) + " of the size is not in [0, 1]");
    if (pad_crop < 0 || pad_crop > std::min(image.height, image.width))
      throw std::invalid_argument("strata: pad_crop " + std::to_string(pad_crop) + " is not from 0 to the image's " +
                                  std::to_string(std::min(image.height, image.width)) + " pixels");
  }
};

// (x - mean) / stddev, channel by channel, x on the scale that batches have: bytes in [0, 1], floats their own. Empty: 0
// and 1.
struct Normalize {
  std::vector<float> mean, stddev;

  // Throws std::invalid_argument unless both are empty or fit the channels, all are finite, and every stddev is above 0.
  void validate(int channels) const {
    for (const auto* v : {&mean, &stddev})
      if (!v->empty() && v->size() != static_cast<std::size_t>(channels))
        throw std::invalid_argument("strata: normalisation has " + std::to_string(v->size()) + " numbers for " +
                                    std::to_string(channels) + " channels");
    for (const float m : mean)
      if (!std::isfinite(m)) throw std::invalid_argument("strata: a mean of " + std::to_string(m) + " is not finite");
    for (const float d : stddev)
      if (!(d > 0 && std::isfinite(d)))
        throw std::invalid_argument("strata: a stddev of " + std::to_string(d) + " is not above 0 and finite");
  }
};

namespace detail {

// What one image goes through: down and right in pixels.
struct Movement {
  float down = 0, right = 0;          // linear between pixels, the edge repeated
  int crop_down = 0, crop_right = 0;  // then by whole pixels, zeros outside
  bool flip = false;                  // then mirrored
};

constexpr Movement draw_movement(const Augment& a, Shape s, const Random& random, std::uint64_t index) {
  const std::uint64_t element = index * 8;  // two blocks an image
  const auto shift = [&](double share, int size, unsigned which) {
    return static_cast<float>(share * size) * (2 * random.uniform(element + which) - 1);
  };
  const auto crop = [&](unsigned which) {
    return static_cast<int>(random.below(static_cast<std::uint32_t>(2 * a.pad_crop + 1), element + which)) - a.pad_crop;
  };
  Movement m;
  if (a.height_shift > 0) m.down = shift(a.height_shift, s.height, 0);
  if (a.width_shift > 0) m.right = shift(a.width_shift, s.width, 1);
  if (a.horizontal_flip) m.flip = random.uniform(element + 2) < 0.5f;
  if (a.pad_crop > 0) m.crop_down = crop(3), m.crop_right = crop(4);
  return m;
}

// One axis of a movement: a pixel comes from between two pixels of the image, or from the border around it.
struct AxisMovement {
  int size, crop;
  int whole = 0;   // it comes from so many pixels further on
  float part = 0;  // and this share of the way to the next

  constexpr AxisMovement(float by, int crop_, int size_) : size(size_), crop(crop_) {
    const float back = 0 - by;
    whole = static_cast<int>(back);
    if (static_cast<float>(whole) > back) --whole;
    part = back - static_cast<float>(whole);
  }
  [[nodiscard]] constexpr bool inside(int at) const { return at - crop >= 0 && at - crop < size; }
  [[nodiscard]] constexpr int near(int at) const { return std::clamp(at - crop + whole, 0, size - 1); }
  [[nodiscard]] constexpr int far(int at) const { return std::clamp(at - crop + whole + 1, 0, size - 1); }
};
constexpr float between(float near, float far, float part) { return near + part * (far - near); }

// from, to: (H,W,C), not the same. The device does the same, pixel by pixel (backend/cuda/augment.hpp).
inline void move_image(Shape s, const Movement& m, const float* from, float* to) {
  const AxisMovement rows(m.down, m.crop_down, s.height), columns(m.right, m.crop_right, s.width);
  const auto channels = static_cast<std::ptrdiff_t>(s.channels), row = s.width * channels;
  const float down = rows.part, right = columns.part;
  for (int i = 0; i < s.height; ++i) {
    const float* upper = from + rows.near(i) * row;
    const float* lower = from + rows.far(i) * row;
    const bool row_inside = rows.inside(i);
    for (int j = 0; j < s.width; ++j, to += channels) {
      const int x = m.flip ? s.width - 1 - j : j;
      if (!row_inside || !columns.inside(x)) {
        std::fill_n(to, channels, 0.f);
        continue;
      }
      const std::ptrdiff_t near = columns.near(x) * channels, far = columns.far(x) * channels;
      for (std::ptrdiff_t c = 0; c < channels; ++c) {
        const float top = between(upper[near + c], upper[far + c], right);
        to[c] = between(top, between(lower[near + c], lower[far + c], right), down);
      }
    }
  }
}

}  // namespace detail
}  // namespace strata
