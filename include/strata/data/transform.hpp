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
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <strata/core/shape.hpp>
#include <strata/util/random.hpp>

namespace strata {

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
    requires(!std::same_as<std::remove_cvref_t<T>, ImageTransform> && ImageTransformKind<std::remove_cvref_t<T>>)
  ImageTransform(T&& transform) : any_(std::make_shared<const Of<std::remove_cvref_t<T>>>(std::forward<T>(transform))) {}

  void operator()(std::span<float> image, Shape shape, const Random& random) const { any_->apply(image, shape, random); }
  [[nodiscard]] std::string describe() const { return any_->describe(); }
  void validate(Shape shape) const { any_->validate(shape); }

 private:
  struct Any {
    Any() = default;
    Any(const Any&) = delete;
    Any& operator=(const Any&) = delete;
    virtual ~Any() = default;
    virtual void apply(std::span<float> image, Shape shape, const Random& random) const = 0;
    [[nodiscard]] virtual std::string describe() const = 0;
    virtual void validate(Shape shape) const = 0;
  };
  template <class T>
  struct Of final : Any {
    explicit Of(T t) : own(std::move(t)) {}
    void apply(std::span<float> image, Shape shape, const Random& random) const override { own(image, shape, random); }
    [[nodiscard]] std::string describe() const override { return own.describe(); }
    void validate([[maybe_unused]] Shape shape) const override {
      if constexpr (requires { own.validate(shape); }) own.validate(shape);
    }
    T own;
  };

  std::shared_ptr<const Any> any_;
};

}  // namespace strata
