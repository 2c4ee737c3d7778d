// SPDX-License-Identifier: BSL-1.0
// Augmentations for Augment::transforms: {.augment = {.transforms = {RandomRotation{.degrees = 15}, ColorJitter{}}}}.
// Pixels are expected in [0, 1], as batches give them before Normalize. Each draws its numbers from the image, the epoch
// and its place in the list alone (data/transform.hpp). Ranges are uniform unless they say otherwise. validate() throws
// std::invalid_argument.
#pragma once
#include <array>
#include <span>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/data/image.hpp>
#include <strata/data/transform.hpp>
#include <strata/util/random.hpp>

namespace strata::inline STRATA_ABI {

// Paints a box of one value into some images (Zhong et al. 2017). torchvision's RandomErasing; with least_area = most_area,
// both aspects 1 and probability 1 it is the Cutout of DeVries and Taylor (2017) with the whole square inside.
struct RandomErasing final {
  double probability = 0.5;
  double least_area = 0.02, most_area = 0.33;        // of the box, as a part of the image
  double least_aspect = 0.3, most_aspect = 1 / 0.3;  // its height over its width, uniform in the logarithm
  double value = 0;                                  // of all channels, before Normalize

  void validate(Shape image) const;
  void operator()(std::span<float> image, Shape shape, const Random& random) const;
  [[nodiscard]] std::string describe() const;
};

// A random part of the image, at the image's size: bilinear, with antialiasing. torchvision's RandomResizedCrop; for images
// of their own sizes ImageFolder::varied takes it.
struct RandomResizedCrop final {
  double least_area = 0.08, most_area = 1;               // of the part
  double least_aspect = 3.0 / 4, most_aspect = 4.0 / 3;  // its width over its height, uniform in the logarithm

  void validate(Shape image) const;
  void operator()(std::span<float> image, Shape shape, const Random& random) const;
  [[nodiscard]] std::string describe() const;
  // The part of an image of this size. Ten tries; then the largest one in the middle that has an aspect in the range.
  [[nodiscard]] ImageBox draw(int height, int width, const Random& random) const;
};

// Turns the image around its middle by up to so many degrees either way; linear between pixels. torchvision's
// RandomRotation, Keras' RandomRotation (whose factor is degrees / 360).
struct RandomRotation final {
  double degrees = 10;
  bool reflect = false;  // outside is the image mirrored at its outermost pixels (Keras' fill_mode is similar), or...
  double value = 0;      // ...this value

  void validate(Shape image) const;
  void operator()(std::span<float> image, Shape shape, const Random& random) const;
  [[nodiscard]] std::string describe() const;
};

// Enlarges the image about its middle; a factor below 1 shrinks it. Linear between pixels. Keras' RandomZoom, which counts
// the other way: its height_factor f is 1 / factor - 1.
struct RandomZoom final {
  double least = 0.8, most = 1.2;  // of the factor
  bool reflect = false;            // outside, as in RandomRotation
  double value = 0;

  void validate(Shape image) const;
  void operator()(std::span<float> image, Shape shape, const Random& random) const;
  [[nodiscard]] std::string describe() const;
};

// Changes the colours, in a random order, as torchvision's ColorJitter. Factors are from max(0, 1 - x) to 1 + x, the hue is
// turned by up to `hue` of the circle. Saturation and hue need three channels.
struct ColorJitter final {
  double brightness = 0;  // at least 0: pixels times the factor
  double contrast = 0;    // at least 0: the distance from the mean brightness times the factor
  double saturation = 0;  // at least 0: the distance from the pixel's brightness times the factor
  double hue = 0;         // from 0 to 0.5

  void validate(Shape image) const;
  void operator()(std::span<float> image, Shape shape, const Random& random) const;
  [[nodiscard]] std::string describe() const;
};

// Adds to every pixel the principal components of the colours of natural images, each times its variance and a normal
// number of the image's own (Krizhevsky, Sutskever, Hinton 2012, section 4.1). Red, green, blue.
struct PcaColorNoise final {
  double stddev = 0.1;
  // The defaults belong to ImageNet's pixels in [0, 1]; fb.resnet.torch published them in 2016. Eigenvectors are columns.
  std::array<double, 3> values{0.2175, 0.0188, 0.0045};
  std::array<std::array<double, 3>, 3> vectors{
      {{-0.5675, 0.7192, 0.4009}, {-0.5808, -0.0045, -0.8140}, {-0.5836, -0.6948, 0.4203}}};

  void validate(Shape image) const;
  void operator()(std::span<float> image, Shape shape, const Random& random) const;
  [[nodiscard]] std::string describe() const;
};

namespace detail {

// Pixels (N,3) in [0, 1], or (N,1) for the first two. Results are cut off at 0 and 1, as torchvision's adjust_* do.
void adjust_brightness(std::span<float> image, float factor);
void adjust_contrast(std::span<float> image, int channels, float factor);
void adjust_saturation(std::span<float> image, float factor);
void adjust_hue(std::span<float> image, float turn);

// Pixel (y, x) becomes the image at its middle plus {{a, b}, {c, d}} (y - middle, x - middle).
struct Warp {
  double a, b, c, d;
  bool reflect;
  float value;  // outside, unless it is reflected
};
void warp_image(std::span<float> image, Shape shape, const Warp& warp);

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/data/transforms_impl.hpp>
#endif
