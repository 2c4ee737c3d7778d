// SPDX-License-Identifier: BSL-1.0
// Augmentation as Keras' ImageDataGenerator does it: shifts by a fraction of the size, linear between pixels, the edge
// repeated outside; and flips. Drawn for each image by its index, so that no thread has a say.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <strata/core/random.hpp>
#include <strata/core/shape.hpp>

namespace strata {

struct Augment {
  double width_shift = 0, height_shift = 0;  // at most this share of the size, either way
  bool horizontal_flip = false;              // half of the images
  int pad_crop = 0;                          // shift by whole pixels, at most this many, zeros outside
  [[nodiscard]] bool any() const { return width_shift > 0 || height_shift > 0 || horizontal_flip || pad_crop > 0; }
};

// (x / 255 - mean) / deviation, channel by channel; empty: x / 255 alone.
struct Normalize {
  std::vector<float> mean, deviation;
};

namespace detail {

// from (H,W,C) to to (H,W,C), moved by (down, right) pixels and perhaps mirrored.
inline void move_image(Shape s, const float* from, float* to, float down, float right, bool flip, bool zeros_outside) {
  const auto clamp = [](int i, int size) { return i < 0 ? 0 : i >= size ? size - 1 : i; };
  for (int i = 0; i < s.height; ++i) {
    const float row = static_cast<float>(i) - down;
    const int above = static_cast<int>(std::floor(row));
    const float lower = row - static_cast<float>(above);
    for (int j = 0; j < s.width; ++j) {
      const float column = static_cast<float>(flip ? s.width - 1 - j : j) - right;
      const int left = static_cast<int>(std::floor(column));
      const float further = column - static_cast<float>(left);
      float* out = to + (static_cast<std::int64_t>(i) * s.width + j) * s.channels;
      if (zeros_outside && (above < 0 || above >= s.height || left < 0 || left >= s.width)) {
        std::fill_n(out, s.channels, 0.f);
        continue;
      }
      const auto at = [&](int r, int c) {
        return from + (static_cast<std::int64_t>(clamp(r, s.height)) * s.width + clamp(c, s.width)) * s.channels;
      };
      const float *a = at(above, left), *b = at(above, left + 1), *c = at(above + 1, left), *d = at(above + 1, left + 1);
      for (int k = 0; k < s.channels; ++k)
        out[k] = (1 - lower) * ((1 - further) * a[k] + further * b[k]) + lower * ((1 - further) * c[k] + further * d[k]);
    }
  }
}

inline void augment_image(const Augment& a, Shape s, const Random& random, std::uint64_t index, const float* from,
                          float* to) {
  const auto draw = [&](unsigned which) { return random.uniform(index * 8 + which); };
  float down = 0, right = 0;
  if (a.height_shift > 0) down = static_cast<float>(a.height_shift * s.height) * (2 * draw(0) - 1);
  if (a.width_shift > 0) right = static_cast<float>(a.width_shift * s.width) * (2 * draw(1) - 1);
  if (a.pad_crop > 0) {
    const auto range = static_cast<std::uint32_t>(2 * a.pad_crop + 1);
    down += static_cast<float>(static_cast<int>(random.below(range, index * 8 + 3)) - a.pad_crop);
    right += static_cast<float>(static_cast<int>(random.below(range, index * 8 + 4)) - a.pad_crop);
  }
  move_image(s, from, to, down, right, a.horizontal_flip && draw(2) < 0.5f, a.pad_crop > 0);
}

}  // namespace detail
}  // namespace strata
