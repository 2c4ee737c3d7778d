// SPDX-License-Identifier: BSL-1.0
// MNIST and Fashion-MNIST (LeCun, Cortes, Burges 1998; Xiao, Rasul, Vollgraf 2017): 60,000 training and 10,000 test images
// of 28x28x1 in the IDX format: big-endian magic (0x803 images, 0x801 labels), sizes, bytes.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/dataset.hpp>
#include <strata/data/file.hpp>

namespace strata::inline STRATA_ABI {

namespace detail {

// The bytes after an IDX header of any number of records with these sizes. Throws DataError.
std::vector<std::uint8_t> read_idx(const std::filesystem::path& file, const FileReader& read, std::uint32_t magic,
                                   std::span<const std::uint32_t> sizes);

// 28x28x1 in ten classes, in two IDX files. About: its name and its class names.
template <class About>
class IdxImages : public StoredImages<IdxImages<About>, Shape{28, 28, 1}, 10, std::uint8_t> {
  using Base = StoredImages<IdxImages, Shape{28, 28, 1}, 10, std::uint8_t>;
  using Base::Base;

 public:
  static constexpr std::string_view name = About::name;
  static constexpr auto& class_names = About::class_names;

  // dir contains train-images-idx3-ubyte and train-labels-idx1-ubyte; pass read_gzip_file and ".gz" if they are packed.
  // Throws DataError for a file that is missing, too short, too long or not IDX of 28x28 bytes, for a label above 9, and if
  // the numbers of labels and images differ.
  static IdxImages train(const std::filesystem::path& dir, const FileReader& read = read_plain_file,
                         std::string_view suffix = "") {
    return load(dir, "train", read, suffix);
  }
  // Likewise with t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte.
  static IdxImages test(const std::filesystem::path& dir, const FileReader& read = read_plain_file,
                        std::string_view suffix = "") {
    return load(dir, "t10k", read, suffix);
  }

 private:
  static IdxImages load(const std::filesystem::path& dir, const std::string& part, const FileReader& read,
                        std::string_view suffix) {
    constexpr std::array<std::uint32_t, 2> sides{28, 28};
    const std::filesystem::path images_file = dir / (part + "-images-idx3-ubyte").append(suffix);
    const std::filesystem::path labels_file = dir / (part + "-labels-idx1-ubyte").append(suffix);
    std::vector<std::uint8_t> images = read_idx(images_file, read, 0x803, sides);
    const std::vector<std::uint8_t> labels = read_idx(labels_file, read, 0x801, {});
    const std::size_t count = images.size() / Base::one;
    if (labels.size() != count)
      throw DataError(labels_file.string(), DataError::whole, std::to_string(labels.size()) + " labels",
                      std::to_string(count) + ", one for each image of " + images_file.string());
    for (std::size_t i = 0; i < count; ++i)
      if (labels[i] >= Base::classes)
        throw DataError(labels_file.string(), static_cast<std::int64_t>(i), label_text(labels[i]),
                        range_text(Base::classes));
    return IdxImages(std::move(images), std::vector<int>(labels.begin(), labels.end()));
  }
};

struct Digits {
  static constexpr std::string_view name = "mnist";
  static constexpr std::array<std::string_view, 10> class_names{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
};
struct Clothing {
  static constexpr std::string_view name = "fashion-mnist";
  static constexpr std::array<std::string_view, 10> class_names{
      "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"};
};

// The class names of D, if it has any.
template <class D>
struct ClassNamesOf {};
template <class D>
  requires requires { D::class_names; }
struct ClassNamesOf<D> {
  static constexpr auto& class_names = D::class_names;
};

}  // namespace detail

// Handwritten digits; class c is the digit c.
using Mnist = detail::IdxImages<detail::Digits>;
// Zalando's articles of clothing.
using FashionMnist = detail::IdxImages<detail::Clothing>;

// Images of 28x28x1 in the middle of 32x32x3, for networks made for CIFAR: a border of zeros, and three equal channels. A
// copy that takes four times the memory of the original.
template <Dataset D>
class PaddedRgb : public detail::ClassNamesOf<D>,
                  public detail::StoredImages<PaddedRgb<D>, Shape{32, 32, 3}, D::classes, detail::PixelOf<D>> {
  static_assert(Shape(D::image) == Shape{28, 28, 1}, "strata: PaddedRgb takes 28x28x1 images");
  using Pixel = detail::PixelOf<D>;
  using Base = detail::StoredImages<PaddedRgb, Shape{32, 32, 3}, D::classes, Pixel>;

 public:
  static constexpr std::string_view name = D::name;
  static constexpr int border = 2;  // pixels of zeros
  static constexpr bool grey = true;

  explicit PaddedRgb(const D& data) : Base(widen(data), labels(data)) {}

 private:
  static std::vector<Pixel> widen(const D& data) {
    std::vector<Pixel> out(data.size() * Base::one, Pixel{0});
    for (std::size_t i = 0; i < data.size(); ++i) {
      const auto from = data.pixels(i);
      for (std::size_t r = 0; r < 28; ++r)
        for (std::size_t c = 0; c < 28; ++c)
          for (std::size_t k = 0; k < 3; ++k) out[i * Base::one + ((r + 2) * 32 + c + 2) * 3 + k] = from[r * 28 + c];
    }
    return out;
  }
  static std::vector<int> labels(const D& data) {
    std::vector<int> out(data.size());
    for (std::size_t i = 0; i < data.size(); ++i) out[i] = data.label(i);
    return out;
  }
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/data/idx_impl.hpp>
#endif
