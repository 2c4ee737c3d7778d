// SPDX-License-Identifier: BSL-1.0
// Augmentation: shifts by a fraction of the size, as in Keras' ImageDataGenerator; crops, as RandomCrop(size, padding) of
// torchvision; and flips. Random numbers depend on the seed, the epoch and the index of the image, so the result is
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

// In this order: shift, crop, flip, transforms, mixing. Transforms come before Normalize, so they see bytes scaled to
// [0, 1].
struct Augment {
  double width_shift = 0;        // each image is shifted by a fraction of its width, uniform in [-width_shift, width_shift)
  double height_shift = 0;       // likewise; linear between pixels, the nearest pixel outside
  bool horizontal_flip = false;  // of half of the images
  // Instead of horizontal_flip: each image is mirrored in every other epoch, half of them in the first (Jordan 2024,
  // arXiv 2404.00498), so that two epochs show both sides of all.
  bool alternating_flip = false;
  int pad_crop = 0;  // a border of zeros this wide, then a window of the image's size at a random place in it
  // Outside the image, shifts and pad_crop see it mirrored at its outermost pixels, which are not repeated: PyTorch's
  // padding_mode "reflect", numpy's "reflect", OpenCV's BORDER_REFLECT_101.
  bool reflect_border = false;
  std::vector<ImageTransform> transforms{};  // of data/transforms.hpp or your own (data/transform.hpp), in this order
  // Both mix each image with another of its batch, at last, and their targets, which must be distributions (one_hot(data)
  // of data/one_hot.hpp) or labels; mixup also mixes values. The parameter of the Beta distribution that shares are drawn
  // from; 0: not. With both, each image has one of the two at random. data/mix.hpp describes them.
  double mixup = 0;   // the sum of both images, weighted; 0.2 is usual
  double cutmix = 0;  // a box of the other image; 1 is usual

  [[nodiscard]] bool any() const {
    return width_shift != 0 || height_shift != 0 || horizontal_flip || alternating_flip || pad_crop != 0 || needs_host();
  }
  [[nodiscard]] bool mixes() const { return mixup != 0 || cutmix != 0; }
  // Whether images must be prepared on the host: transforms, mixup and cutmix do not run on a GPU.
  [[nodiscard]] bool needs_host() const { return !transforms.empty() || mixes(); }

  // Throws std::invalid_argument if a shift is outside [0, 1], pad_crop is negative or larger than the image, both kinds of
  // flips are wanted, a border is to be reflected that nothing moves into the image, or mixup or cutmix is below 0.
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
  bool reflect = false;               // outside is the reflected image, in both cases
};

// The part of Augment that movements are drawn from. A GPU gets it by value.
struct MovementRange {
  double width_shift = 0, height_shift = 0;
  bool horizontal_flip = false, alternating_flip = false, reflect = false;
  int pad_crop = 0;

  MovementRange() = default;
  MovementRange(const Augment& a)
      : width_shift(a.width_shift),
        height_shift(a.height_shift),
        horizontal_flip(a.horizontal_flip),
        alternating_flip(a.alternating_flip),
        reflect(a.reflect_border),
        pad_crop(a.pad_crop) {}
  [[nodiscard]] constexpr bool any() const {
    return width_shift != 0 || height_shift != 0 || horizontal_flip || alternating_flip || pad_crop != 0;
  }
};

constexpr Movement draw_movement(const MovementRange& a, Shape s, std::uint64_t seed, std::uint64_t epoch,
                                 std::uint64_t index) {
  const Random random(seed, Purpose::augment, 0, epoch);
  const std::uint64_t element = index * 8;  // two blocks an image
  const auto shift = [&](double fraction, int size, unsigned which) {
    return static_cast<float>(fraction * size) * (2 * random.uniform(element + which) - 1);
  };
  const auto crop = [&](unsigned which) {
    return static_cast<int>(random.below(static_cast<std::uint32_t>(2 * a.pad_crop + 1), element + which)) - a.pad_crop;
  };
  Movement m;
  m.reflect = a.reflect;
  if (a.height_shift > 0) m.down = shift(a.height_shift, s.height, 0);
  if (a.width_shift > 0) m.right = shift(a.width_shift, s.width, 1);
  if (a.horizontal_flip) m.flip = random.uniform(element + 2) < 0.5f;
  if (a.alternating_flip)  // the same number in every epoch
    m.flip = (Random(seed, Purpose::augment).uniform(element + 2) < 0.5f) != (epoch % 2 == 1);
  if (a.pad_crop > 0) m.crop_down = crop(3), m.crop_right = crop(4);
  return m;
}

// Purposes of random numbers besides the transforms of a list.
inline constexpr std::uint32_t load_numbers = 0xFFFE, mix_numbers = 0xFFFD;

// The random numbers of one image for the transform `which` of its list: a seed drawn for them, so that their elements
// begin at 0 and are as many as a transform needs.
constexpr Random transform_random(std::uint64_t seed, std::uint64_t epoch, std::uint64_t index, std::uint32_t which) {
  const auto words = Random(seed, Purpose::augment, which + 1, epoch).block(index);
  return {std::uint64_t{words[1]} << 32 | words[0], Purpose::augment, which + 1, epoch};
}

// A place on an axis without end, on which the image is mirrored at its outermost pixels again and again.
constexpr int reflected(int at, int size) {
  if (at >= 0 && at < size) return at;
  if (size == 1) return 0;
  const int period = 2 * (size - 1);
  const int rest = (at % period + period) % period;
  return rest < size ? rest : period - rest;
}

// One axis of a movement: a pixel lies between two pixels of the image, or in the border around it.
struct AxisMovement {
  int size, crop;
  bool reflect;
  int whole = 0;   // the distance to the first of the two, in pixels
  float part = 0;  // the fraction of the way from there to the other

  constexpr AxisMovement(float by, int crop_, int size_, bool reflect_) : size(size_), crop(crop_), reflect(reflect_) {
    const float back = 0 - by;
    whole = static_cast<int>(back);
    if (static_cast<float>(whole) > back) --whole;
    part = back - static_cast<float>(whole);
  }
  [[nodiscard]] constexpr bool inside(int at) const { return reflect || (at - crop >= 0 && at - crop < size); }
  [[nodiscard]] constexpr int first(int at) const { return place(at, whole); }
  [[nodiscard]] constexpr int second(int at) const { return place(at, whole + 1); }

 private:
  [[nodiscard]] constexpr int place(int at, int by) const {
    return reflect ? reflected(reflected(at - crop, size) + by, size) : std::clamp(at - crop + by, 0, size - 1);
  }
};

// from, to: (H,W,C), not the same memory. backend/cuda/augment.hpp does the same for one pixel.
void move_image(Shape s, const Movement& m, const float* from, float* to);

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/data/augment_impl.hpp>
#endif
