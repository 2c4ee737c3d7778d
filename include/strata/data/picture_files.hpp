// SPDX-License-Identifier: BSL-1.0
// Folders of picture files, without the library that decodes them: data/image_folder.hpp has the data set.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/data/image.hpp>
#include <strata/data/transforms.hpp>
#include <strata/util/random.hpp>

namespace strata::inline STRATA_ABI {

// A window of the input's size at a random place of the picture, whose short side has been resized to this: the paper's
// training of AlexNet with 256. 0: to the longer side of the input. torchvision's Resize and RandomCrop.
struct RandomCrop final {
  int short_side = 0;
};

struct ImageFolderOptions {
  // The short side of a picture that is not varied, before its middle is cut out (resize_and_crop()); 0: the longer side of
  // the input.
  int short_side = 0;
  // The classes in the order of their numbers. Empty: the names of the folders in the order of their bytes. Folders of
  // other names are then an error, so that a second folder cannot give the classes other numbers.
  std::vector<std::string> classes{};
  // A file that is no picture ends training by a DataError. Otherwise each is named once on stderr and counted (broken()),
  // and the next picture of the class is in its place.
  bool strict = false;
};

namespace detail {

using ReadPicture = Image (*)(const std::filesystem::path& file, ShrinkPicture shrink);

// The pictures of a folder and how they become samples. Functions may be called by several threads.
class PictureFiles {
 public:
  // Reads the names in the folder. Throws DataError for a folder that is missing or has no folders in it, and a class
  // without pictures or without a number.
  PictureFiles(std::filesystem::path folder, const ImageFolderOptions& options, Shape shape, ReadPicture read);

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] int label(std::size_t i) const;
  [[nodiscard]] std::filesystem::path file(std::size_t i) const;
  [[nodiscard]] const std::vector<std::string>& classes() const;
  [[nodiscard]] const std::filesystem::path& folder() const;
  [[nodiscard]] int short_side() const { return short_side_; }
  [[nodiscard]] std::string describe() const;
  // Each broken file has one message, in the order of their names.
  [[nodiscard]] std::vector<std::string> broken() const;

  [[nodiscard]] PictureFiles varied(const RandomResizedCrop& crop) const;
  [[nodiscard]] PictureFiles varied(RandomCrop crop) const;
  [[nodiscard]] PictureFiles plain() const;
  // Decodes all files by so many threads and leaves out those that fail. Throws DataError if nothing of a class is left.
  [[nodiscard]] PictureFiles without_broken(int threads) const;

  // (H,W,C) of the shape. Null: the plain view.
  void load(std::size_t i, std::span<std::uint8_t> to, const Random* random) const;

 private:
  struct List;
  struct Broken;
  [[nodiscard]] Image view(const std::filesystem::path& file, const Random* random) const;
  void note(std::size_t i, const std::string& what) const;

  std::shared_ptr<const List> list_;  // shared by copies
  std::shared_ptr<Broken> broken_;
  Shape shape_;
  int short_side_;
  bool strict_;
  ReadPicture read_;
  std::optional<RandomResizedCrop> resized_crop_{};
  std::optional<RandomCrop> crop_{};
};

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/data/picture_files_impl.hpp>
#endif
