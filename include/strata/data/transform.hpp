// SPDX-License-Identifier: BSL-1.0
// An augmentation of your own: a struct with operator() and describe().
//   struct Invert {
//     double probability = 0.5;
//     void operator()(std::span<float> image, Shape, const Random& random) const {
//       if (random.uniform(0) < static_cast<float>(probability))
//         for (float& x : image) x = 1 - x;
//     }
//     std::string describe() const { return "Invert{" + std::to_string(probability) + "}"; }
//   };
//   train(model, data, loss, optimizer, {.augment = {.horizontal_flip = true, .transforms = {Invert{0.2}}}});
#pragma once
#include <concepts>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/util/random.hpp>

namespace strata::inline STRATA_ABI {

// Changes one image (H,W,C) in place. `random` belongs to this image in this epoch and to this transform alone: its
// elements 0, 1, 2... are the numbers to use, so the result does not depend on batches or threads. Several threads may call
// it at once. describe() is one line with every field that changes the result: a run resumes only with the same
// description. A member `void validate(Shape) const`, if there is one, is called before the first image and throws
// std::invalid_argument if the fields or the shape do not fit.
template <class T>
concept ImageTransformKind =
    std::copy_constructible<T> && requires(const T& t, std::span<float> image, Shape shape, const Random& random) {
      t(image, shape, random);
      { t.describe() } -> std::convertible_to<std::string>;
    };

// Any such struct as one type. Copies share it.
class ImageTransform {
 public:
  template <class T>
    requires(!std::same_as<T, ImageTransform> && ImageTransformKind<T>)
  ImageTransform(T transform) {  // NOLINT: {.transforms = {Invert{0.2}}}
    const auto own = std::make_shared<const T>(std::move(transform));
    apply_ = [own](std::span<float> image, Shape shape, const Random& random) { (*own)(image, shape, random); };
    describe_ = [own] { return own->describe(); };
    validate_ = [own]([[maybe_unused]] Shape shape) {
      if constexpr (requires { own->validate(shape); }) own->validate(shape);
    };
  }

  void operator()(std::span<float> image, Shape shape, const Random& random) const { apply_(image, shape, random); }
  [[nodiscard]] std::string describe() const { return describe_(); }
  void validate(Shape shape) const { validate_(shape); }

 private:
  std::function<void(std::span<float>, Shape, const Random&)> apply_;
  std::function<std::string()> describe_;
  std::function<void(Shape)> validate_;
};

}  // namespace strata::inline STRATA_ABI
