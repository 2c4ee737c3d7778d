// SPDX-License-Identifier: BSL-1.0
// A data set as batches read it, without its type.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/dataset.hpp>
#include <strata/data/pixels.hpp>
#include <strata/util/no_copy.hpp>
#include <strata/util/random.hpp>

namespace strata::inline STRATA_ABI::detail {

// Pixel: of the batches.
template <class Pixel>
class BatchSource : public Interface {
 public:
  BatchSource(Shape image, std::size_t size, std::size_t elements, TargetKind kind)
      : image_(image), size_(size), elements_(elements), kind_(kind) {}

  [[nodiscard]] Shape image() const { return image_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  // A target has so many elements, is of this kind, and holds class numbers or not.
  [[nodiscard]] std::size_t elements() const { return elements_; }
  [[nodiscard]] TargetKind kind() const { return kind_; }
  [[nodiscard]] bool classes() const { return is_class(kind_); }

  // Sample i, varied by random numbers of its own if the data set does so. Bytes become numbers in [0, 1] if the batches
  // have floats.
  virtual void copy_pixels(std::size_t i, const Random& random, Pixel* to) const = 0;  // (H,W,C)
  virtual void copy_classes(std::size_t i, int* to) const = 0;
  virtual void copy_values(std::size_t i, float* to) const = 0;

 private:
  Shape image_;
  std::size_t size_, elements_;
  TargetKind kind_;
};

template <Dataset D, class Pixel>
class SourceOf final : public BatchSource<Pixel> {
 public:
  explicit SourceOf(const D& data)
      : BatchSource<Pixel>(D::image, data.size(), target_size<D>, target_kind<D>), data_(data) {}

  void copy_pixels(std::size_t i, [[maybe_unused]] const Random& random, Pixel* to) const override {
    constexpr auto one = static_cast<std::size_t>(D::image.size());
    if constexpr (Loads<D> && std::is_same_v<Pixel, PixelOf<D>>) {
      data_.load(i, std::span<Pixel>(to, one), random);
    } else if constexpr (Loads<D>) {
      std::vector<PixelOf<D>> pixels(one);
      data_.load(i, std::span<PixelOf<D>>(pixels), random);
      copy(pixels, to);
    } else {
      const auto pixels = data_.pixels(i);
      if (pixels.size() != one)
        throw DataError("data set", static_cast<std::int64_t>(i), std::to_string(pixels.size()) + " pixels",
                        std::to_string(one));
      copy(pixels, to);
    }
  }
  void copy_classes([[maybe_unused]] std::size_t i, [[maybe_unused]] int* to) const override {
    if constexpr (is_class(target_kind<D>)) copy_target(data_, i, to);
  }
  void copy_values([[maybe_unused]] std::size_t i, [[maybe_unused]] float* to) const override {
    if constexpr (!is_class(target_kind<D>)) copy_target(data_, i, to);
  }

 private:
  static void copy(const auto& pixels, Pixel* to) {
    for (std::size_t p = 0; p < static_cast<std::size_t>(D::image.size()); ++p)
      if constexpr (std::is_same_v<Pixel, PixelOf<D>>)
        to[p] = pixels[p];
      else
        to[p] = unit_value(pixels[p]);
  }

  D data_;
};

}  // namespace strata::inline STRATA_ABI::detail
