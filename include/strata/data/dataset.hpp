// SPDX-License-Identifier: BSL-1.0
// Data sets as types: the image's shape and the number of classes are known while compiling.
#pragma once
#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/shape.hpp>
#include <strata/util/checksum.hpp>

namespace strata {

// A file or an array that is not what it should be: "train.bin: record 7: label 12; expected 0 to 9".
class DataError : public std::runtime_error {
 public:
  static constexpr std::int64_t whole = -1;  // for `record`: the file itself is wrong

  DataError(std::string file, std::int64_t record, const std::string& found, std::string expected)
      : std::runtime_error(file + (record == whole ? "" : ": record " + std::to_string(record)) + ": " + found +
                           "; expected " + expected),
        file_(std::move(file)),
        expected_(std::move(expected)),
        record_(record) {}

  [[nodiscard]] const std::string& file() const noexcept { return file_; }
  [[nodiscard]] std::int64_t record() const noexcept { return record_; }  // from 0, or `whole`
  [[nodiscard]] const std::string& expected() const noexcept { return expected_; }

 private:
  std::string file_, expected_;
  std::int64_t record_;
};

// What a data set is: sample i of size() has a label in [0, classes) and pixels (H,W,C), all `image.size()` of them.
// Bytes are 0..255 and batches scale them to [0, 1]; floats are taken as they are. pixels and label are called from
// other threads than the one that made the set, and from several at once if BatchOptions::threads says so; what they
// throw reaches the caller of Batches::next. Batches copy the set, so make copies cheap.
template <class D>
concept Dataset = std::copy_constructible<D> && requires(const D& d, std::size_t i) {
  { D::image } -> std::convertible_to<Shape>;
  { D::classes } -> std::convertible_to<int>;
  { d.size() } -> std::convertible_to<std::size_t>;
  { d.label(i) } -> std::convertible_to<int>;
  requires std::convertible_to<decltype(d.pixels(i)), std::span<const std::uint8_t>> ||
               std::convertible_to<decltype(d.pixels(i)), std::span<const float>>;
};

namespace detail {

// Images and labels in memory, shared by all copies; `Derived` is what subset returns.
template <class Derived, Shape Image, int Classes, class Pixel>
class StoredImages {
  static_assert(std::is_same_v<Pixel, float> || std::is_same_v<Pixel, std::uint8_t>,
                "strata: pixels are float or std::uint8_t");
  static_assert(Image.size() > 0 && Classes > 0, "strata: a data set has pixels and classes");

 public:
  static constexpr Shape image = Image;
  static constexpr int classes = Classes;

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  // i < size().
  [[nodiscard]] int label(std::size_t i) const { return (*labels_)[first_ + i]; }
  // (H,W,C) of sample i, valid as long as any copy of this set.
  [[nodiscard]] std::span<const Pixel> pixels(std::size_t i) const { return {images_->data() + (first_ + i) * one, one}; }

  // The samples [first, first + count), sharing the pixels. Throws std::out_of_range past the end.
  [[nodiscard]] Derived subset(std::size_t first, std::size_t count) const {
    if (first > count_ || count > count_ - first)
      throw std::out_of_range("strata: no " + std::to_string(count) + " samples from " + std::to_string(first) +
                              " on in a data set of " + std::to_string(count_));
    Derived part = static_cast<const Derived&>(*this);
    StoredImages& base = part;
    base.first_ += first;
    base.count_ = count;
    return part;
  }

 protected:
  static constexpr auto one = static_cast<std::size_t>(Image.size());

  StoredImages() = default;
  // images (N,H,W,C), labels (N); the caller has checked them.
  StoredImages(std::vector<Pixel>&& images, std::vector<int>&& labels)
      : count_(labels.size()),
        images_(std::make_shared<const std::vector<Pixel>>(std::move(images))),
        labels_(std::make_shared<const std::vector<int>>(std::move(labels))) {}

 private:
  std::size_t first_ = 0, count_ = 0;
  std::shared_ptr<const std::vector<Pixel>> images_;
  std::shared_ptr<const std::vector<int>> labels_;
};

inline std::string label_text(int label) { return "label " + std::to_string(label); }
inline std::string range_text(int classes) { return "0 to " + std::to_string(classes - 1); }

}  // namespace detail

// Your own arrays: ArrayDataset<Shape{28, 28, 1}, 10>(images, labels). Copies share them.
template <Shape Image, int Classes, class Pixel = float>
class ArrayDataset : public detail::StoredImages<ArrayDataset<Image, Classes, Pixel>, Image, Classes, Pixel> {
  using Base = detail::StoredImages<ArrayDataset, Image, Classes, Pixel>;

 public:
  static constexpr std::string_view name = "arrays";

  ArrayDataset() = default;
  // images (N,H,W,C), labels (N) in [0, Classes). Throws DataError where they do not fit together.
  ArrayDataset(std::vector<Pixel> images, std::vector<int> labels)
      : Base((check(images, labels), std::move(images)), std::move(labels)) {}

 private:
  static void check(const std::vector<Pixel>& images, const std::vector<int>& labels) {
    if (images.size() != labels.size() * Base::one)
      throw DataError("arrays", static_cast<std::int64_t>(images.size() / Base::one),
                      std::to_string(images.size()) + " numbers for " + std::to_string(labels.size()) + " labels",
                      std::to_string(labels.size() * Base::one) + ", " + std::to_string(Base::one) + " an image");
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (labels[i] < 0 || labels[i] >= Classes)
        throw DataError("arrays", static_cast<std::int64_t>(i), detail::label_text(labels[i]), detail::range_text(Classes));
  }
};

// The size of a data set and a checksum of some of it, which may not be all: that may be large.
template <Dataset Data>
[[nodiscard]] std::string data_fingerprint(const Data& data) {
  constexpr std::size_t some = 16;
  const std::size_t n = data.size();
  detail::Checksum sum;
  for (std::size_t i = 0; i < std::min(n, some); ++i) {
    const std::size_t index = n <= some ? i : i * (n - 1) / (some - 1);
    const auto pixels = data.pixels(index);
    sum.bytes(std::as_bytes(std::span(pixels.data(), pixels.size()))).word(static_cast<std::uint64_t>(data.label(index)));
  }
  return std::to_string(n) + " images, " + sum.digits();
}

}  // namespace strata
