// SPDX-License-Identifier: BSL-1.0
// CIFAR-10 and CIFAR-100 (Krizhevsky 2009) from the official binary files: records of one or two label bytes and 3072
// pixels, red plane, green plane, blue plane. 50,000 training and 10,000 test images of 32x32x3.
#pragma once
#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>

#include <strata/data/dataset.hpp>

namespace strata {
namespace detail {

// Appends a file of records to images (as HWC) and labels. `label_bytes` stand before the pixels, the `which`-th counts.
inline void read_cifar(const std::filesystem::path& file, std::size_t records, std::size_t label_bytes, std::size_t which,
                       int classes, std::vector<std::uint8_t>& images, std::vector<int>& labels) {
  constexpr std::size_t plane = 1024;
  const std::size_t record = label_bytes + 3 * plane;
  std::ifstream in(file, std::ios::binary);
  if (!in) throw DataError(file.string() + ": cannot be opened; expected " + std::to_string(records) + " records of CIFAR");
  std::error_code ignored;
  const std::uintmax_t bytes = std::filesystem::file_size(file, ignored);
  if (ignored || bytes != records * record)
    throw DataError(file.string() + ": " + std::to_string(bytes) + " bytes, which ends in record " +
                    std::to_string(bytes / record) + "; expected " + std::to_string(records) + " records of " +
                    std::to_string(record) + " bytes, " + std::to_string(records * record));
  std::vector<std::uint8_t> raw(record);
  for (std::size_t i = 0; i < records; ++i) {
    if (!in.read(reinterpret_cast<char*>(raw.data()), static_cast<std::streamsize>(record)))
      throw DataError(file.string() + ": record " + std::to_string(i) + " cannot be read");
    const int label = raw[which];
    if (label >= classes)
      throw DataError(file.string() + ": record " + std::to_string(i) + " has label " + std::to_string(label) +
                      "; expected 0 to " + std::to_string(classes - 1));
    labels.push_back(label);
    for (std::size_t p = 0; p < plane; ++p)
      for (std::size_t c = 0; c < 3; ++c) images.push_back(raw[label_bytes + c * plane + p]);
  }
}

// The folder's own files, or those of the archive's folder inside it.
inline std::filesystem::path cifar_folder(const std::filesystem::path& dir, const char* archive, const char* file) {
  return std::filesystem::exists(dir / archive / file) ? dir / archive : dir;
}

using CifarBase10 = ArrayDataset<Shape{32, 32, 3}, 10, std::uint8_t>;
template <int Classes>
using CifarBase100 = ArrayDataset<Shape{32, 32, 3}, Classes, std::uint8_t>;

}  // namespace detail

// dir holds cifar-10-batches-bin/, or its .bin files. Throws DataError.
class Cifar10 : public detail::CifarBase10 {
 public:
  static constexpr std::string_view name = "cifar10";
  static constexpr std::array<std::string_view, 10> class_names{"airplane", "automobile", "bird",  "cat",  "deer",
                                                                "dog",      "frog",       "horse", "ship", "truck"};
  static Cifar10 train(const std::filesystem::path& dir) {
    return load(dir, {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"});
  }
  static Cifar10 test(const std::filesystem::path& dir) { return load(dir, {"test_batch.bin"}); }

 private:
  using detail::CifarBase10::ArrayDataset;
  static Cifar10 load(const std::filesystem::path& dir, std::initializer_list<const char*> files) {
    std::vector<std::uint8_t> images;
    std::vector<int> labels;
    images.reserve(files.size() * 10000 * 3072);
    for (const char* file : files)
      detail::read_cifar(detail::cifar_folder(dir, "cifar-10-batches-bin", file) / file, 10000, 1, 0, 10, images, labels);
    return Cifar10(std::move(images), std::move(labels));
  }
};

struct Fine {
  static constexpr int classes = 100;
  static constexpr std::size_t label = 1;
  static constexpr std::string_view name = "cifar100";
};
struct Coarse {
  static constexpr int classes = 20;
  static constexpr std::size_t label = 0;
  static constexpr std::string_view name = "cifar100-coarse";
};

// dir holds cifar-100-binary/, or its .bin files. Fine: 100 classes; Coarse: the 20 superclasses. Throws DataError.
template <class Labels = Fine>
class Cifar100 : public detail::CifarBase100<Labels::classes> {
 public:
  static constexpr std::string_view name = Labels::name;
  static Cifar100 train(const std::filesystem::path& dir) { return load(dir, "train.bin", 50000); }
  static Cifar100 test(const std::filesystem::path& dir) { return load(dir, "test.bin", 10000); }

 private:
  using detail::CifarBase100<Labels::classes>::ArrayDataset;
  static Cifar100 load(const std::filesystem::path& dir, const char* file, std::size_t records) {
    std::vector<std::uint8_t> images;
    std::vector<int> labels;
    images.reserve(records * 3072);
    detail::read_cifar(detail::cifar_folder(dir, "cifar-100-binary", file) / file, records, 2, Labels::label,
                       Labels::classes, images, labels);
    return Cifar100(std::move(images), std::move(labels));
  }
};

}  // namespace strata
