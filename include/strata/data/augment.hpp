// SPDX-License-Identifier: BSL-1.0
// Augmentation as in Keras' ImageDataGenerator: shifts by a fraction of the size, linear between pixels, with the edge
// repeated outside; and flips. Random numbers depend on the seed, the epoch and the index of the image, so the result is
// independent of batches and threads.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/data/pixels.hpp>
#include <strata/data/transform.hpp>
#include <strata/util/random.hpp>

namespace strata::inline STRATA_ABI {

// In this order: shift, crop, flip, then your own transforms. All of it comes before Normalize, so transforms see bytes
// scaled to [0, 1].
struct Augment {
  double width_shift = 0;        // each image is shifted by a fraction of its width, uniform in [-width_shift, width_shift)
  double height_shift = 0;       // likewise; linear between pixels, the nearest pixel outside
  bool horizontal_flip = false;  // of half of the images
  int pad_crop = 0;              // a border of zeros this wide, then a window of the image's size at a random place in it
  std::vector<ImageTransform> transforms{};  // your own (data/transform.hpp), in this order

  [[nodiscard]] bool any() const {
    return width_shift != 0 || height_shift != 0 || horizontal_flip || pad_crop != 0 || needs_host();
  }
  // Whether images must be prepared on the host: transforms of your own do not run on a GPU.
  [[nodiscard]] bool needs_host() const { return !transforms.empty(); }

  // Throws std::invalid_argument if a shift is outside [0, 1] or pad_crop is negative or larger than the image.
  void validate(Shape image) const;
  [[nodiscard]] std::string describe() const;
};

// (x - mean) / stddev for each channel. Bytes have been scaled to [0, 1] before; floats are as the data set gives them.
// Empty: 0 and 1.
struct Normalize {
  std::vector<float> mean, stddev;

  // Throws std::invalid_argument unless each is empty or has one number a channel, all are finite, and every stddev is
  // above 0.
  void validate(int channels) const;
};

namespace detail {

// How one image moves, down and right in pixels.
struct Movement {
  float down = 0, right = 0;          // linear between pixels, the edge repeated
  int crop_down = 0, crop_right = 0;  // then by whole pixels, zeros outside
  bool flip = false;                  // then mirrored
};

// The part of Augment that movements are drawn from. A GPU gets it by value.
struct MovementRange {
  double width_shift = 0, height_shift = 0;
  bool horizontal_flip = false;
  int pad_crop = 0;

  MovementRange() = default;
  MovementRange(const Augment& a)
      : width_shift(a.width_shift),
        height_shift(a.height_shift),
        horizontal_flip(a.horizontal_flip),
        pad_crop(a.pad_crop) {}
  [[nodiscard]] constexpr bool any() const {
    return width_shift != 0 || height_shift != 0 || horizontal_flip || pad_crop != 0;
  }
};

constexpr Movement draw_movement(const MovementRange& a, Shape s, const Random& random, std::uint64_t index) {
  const std::uint64_t element = index * 8;  // two blocks an image
  const auto shift = [&](double fraction, int size, unsigned which) {
    return static_cast<float>(fraction * size) * (2 * random.uniform(element + which) - 1);
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

// The random numbers of one image for the transform `which` of its list: a seed drawn for them, so that their elements
// begin at 0 and are as many as a transform needs.
constexpr Random transform_random(std::uint64_t seed, std::uint64_t epoch, std::uint64_t index, std::uint32_t which) {
  const auto words = Random(seed, Purpose::augment, which + 1, epoch).block(index);
  return {std::uint64_t{words[1]} << 32 | words[0], Purpose::augment, which + 1, epoch};
}

// One axis of a movement: a pixel lies between two pixels of the image, or in the border around it.
struct AxisMovement {
  int size, crop;
  int whole = 0;   // the distance to the first of the two, in pixels
  float part = 0;  // the fraction of the way from there to the other

  constexpr AxisMovement(float by, int crop_, int size_) : size(size_), crop(crop_) {
    const float back = 0 - by;
    whole = static_cast<int>(back);
    if (static_cast<float>(whole) > back) --whole;
    part = back - static_cast<float>(whole);
  }
  [[nodiscard]] constexpr bool inside(int at) const { return at - crop >= 0 && at - crop < size; }
  [[nodiscard]] constexpr int first(int at) const { return std::clamp(at - crop + whole, 0, size - 1); }
  [[nodiscard]] constexpr int second(int at) const { return std::clamp(at - crop + whole + 1, 0, size - 1); }
};

// from, to: (H,W,C), not the same memory. backend/cuda/augment.hpp does the same for one pixel.
void move_image(Shape s, const Movement& m, const float* from, float* to);

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/data/augment_impl.hpp>
#endif
