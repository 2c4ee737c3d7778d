// SPDX-License-Identifier: BSL-1.0
// A data set as batches read it, without its type.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/data/dataset.hpp>
#include <strata/data/pixels.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI::detail {

// Pixel: of the batches.
template <class Pixel>
class BatchSource : public Interface {
 public:
  BatchSource(Shape image, std::size_t size, std::size_t elements, bool classes)
      : image_(image), size_(size), elements_(elements), classes_(classes) {}

  [[nodiscard]] Shape image() const { return image_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  // Of a target: how many, and whether they are class numbers.
  [[nodiscard]] std::size_t elements() const { return elements_; }
  [[nodiscard]] bool classes() const { return classes_; }

  // Sample i. Bytes become numbers in [0, 1] if the batches have floats.
  virtual void copy_pixels(std::size_t i, Pixel* to) const = 0;  // (H,W,C)
  virtual void copy_classes(std::size_t i, int* to) const = 0;
  virtual void copy_values(std::size_t i, float* to) const = 0;

 private:
  Shape image_;
  std::size_t size_, elements_;
  bool classes_;
};

template <Dataset D, class Pixel>
class SourceOf final : public BatchSource<Pixel> {
 public:
  explicit SourceOf(const D& data)
      : BatchSource<Pixel>(D::image, data.size(), target_size<D>, is_class(target_kind<D>)), data_(data) {}

  void copy_pixels(std::size_t i, Pixel* to) const override {
    constexpr auto one = static_cast<std::size_t>(D::image.size());
    const auto pixels = data_.pixels(i);
    if (pixels.size() != one)
      throw DataError("data set", static_cast<std::int64_t>(i), std::to_string(pixels.size()) + " pixels",
                      std::to_string(one));
    for (std::size_t p = 0; p < one; ++p)
      if constexpr (std::is_same_v<Pixel, PixelOf<D>>)
        to[p] = pixels[p];
      else
        to[p] = unit_value(pixels[p]);
  }
  void copy_classes([[maybe_unused]] std::size_t i, [[maybe_unused]] int* to) const override {
    if constexpr (is_class(target_kind<D>)) copy_target(data_, i, to);
  }
  void copy_values([[maybe_unused]] std::size_t i, [[maybe_unused]] float* to) const override {
    if constexpr (!is_class(target_kind<D>)) copy_target(data_, i, to);
  }

 private:
  D data_;
};

}  // namespace strata::inline STRATA_ABI::detail
