// SPDX-License-Identifier: BSL-1.0
// Data sets as types: the image's shape and the number of classes are known while compiling.
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/shape.hpp>

namespace strata {

// A file or array that is not what it should be; the text says which, where in it, and what was expected.
class DataError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// pixels(i) are (H,W,C): bytes, which batches scale to [0, 1], or floats, which they take as they are.
template <class D>
concept Dataset = requires(const D& d, std::size_t i) {
  { D::image } -> std::convertible_to<Shape>;
  { D::classes } -> std::convertible_to<int>;
  { d.size() } -> std::convertible_to<std::size_t>;
  { d.label(i) } -> std::convertible_to<int>;
  d.pixels(i).data();
};

// Your own arrays. Copies share them.
template <Shape Image, int Classes, class Pixel = float>
class ArrayDataset {
  static_assert(std::is_same_v<Pixel, float> || std::is_same_v<Pixel, std::uint8_t>,
                "strata: pixels are float or std::uint8_t");

 public:
  static constexpr Shape image = Image;
  static constexpr int classes = Classes;

  ArrayDataset() = default;
  // images (N,H,W,C), labels (N) in [0, Classes). Throws DataError where they do not fit together.
  ArrayDataset(std::vector<Pixel> images, std::vector<int> labels) {
    if (images.size() != labels.size() * one)
      throw DataError("array data set: " + std::to_string(images.size()) + " numbers for " + std::to_string(labels.size()) +
                      " labels; expected " + std::to_string(labels.size() * one));
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (labels[i] < 0 || labels[i] >= Classes)
        throw DataError("array data set: label " + std::to_string(labels[i]) + " of image " + std::to_string(i) +
                        "; expected 0 to " + std::to_string(Classes - 1));
    count_ = labels.size();
    images_ = std::make_shared<const std::vector<Pixel>>(std::move(images));
    labels_ = std::make_shared<const std::vector<int>>(std::move(labels));
  }

  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] int label(std::size_t i) const { return (*labels_)[first_ + i]; }
  [[nodiscard]] std::span<const Pixel> pixels(std::size_t i) const { return {images_->data() + (first_ + i) * one, one}; }

 protected:
  // Narrows to `count` samples from `first` on; throws std::out_of_range past the end.
  void narrow_to(std::size_t first, std::size_t count) {
    if (first > count_ || count > count_ - first)
      throw std::out_of_range("strata: samples " + std::to_string(first) + " to " + std::to_string(first + count) + " of " +
                              std::to_string(count_));
    first_ += first;
    count_ = count;
  }

 private:
  static constexpr auto one = static_cast<std::size_t>(Image.size());
  std::size_t first_ = 0, count_ = 0;
  std::shared_ptr<const std::vector<Pixel>> images_;
  std::shared_ptr<const std::vector<int>> labels_;
};

// The samples [first, first + count) of a data set that is made of arrays.
template <class D>
D subset(D data, std::size_t first, std::size_t count) {
  struct Open : D {
    explicit Open(D&& d) : D(std::move(d)) {}
    using D::narrow_to;
  };
  Open open(std::move(data));
  open.narrow_to(first, count);
  return static_cast<D&&>(open);
}

}  // namespace strata
