// SPDX-License-Identifier: BSL-1.0
// Pictures of one's own: a folder for each class, with PNG and JPEG files of any size. Link strata::images.
//   const ImageFolder<Shape{64, 64, 3}> pictures("animals");           // animals/cat/1.jpg, animals/dog/a/2.png, ...
//   auto [training, test] = random_split(pictures.without_broken(), 0.1, 1);  // data/subset.hpp
//   training = training.with(pictures.varied(RandomResizedCrop{}));    // another part of each picture in each epoch
// torchvision's ImageFolder, Keras' image_dataset_from_directory. Without without_broken(), a picture that cannot be read
// is replaced by the next of its class, which after a split may be one of the other part.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/data/dataset.hpp>
#include <strata/data/images.hpp>
#include <strata/data/picture_files.hpp>

namespace strata::inline STRATA_ABI {

// Decodes a picture each time that it is needed, in the background, by several threads; only the names stay in memory.
// Large JPEGs are decoded at a reduced size. With three channels grey pictures have three equal ones; with one channel
// colours become their brightness. A picture is resized and its middle is cut out (resize_and_crop()), unless it is
// varied(). Copies share the names and what was found broken.
template <Shape Image_>
class ImageFolder {
  static_assert(Image_.channels == 1 || Image_.channels == 3, "strata: pictures have 1 or 3 channels");

 public:
  static constexpr Shape image = Image_;
  static constexpr bool decodes = true;

  // Reads the names of files, not the files. Files whose names do not end in .jpg, .jpeg or .png are left alone. Throws
  // DataError for a folder that is missing or has no folders in it, a class without pictures, and a folder of a class that
  // is not among options.classes; std::invalid_argument for a short side below the image's sides.
  explicit ImageFolder(std::filesystem::path folder, const ImageFolderOptions& options = {})
      : files_(std::move(folder), options, Image_,
               [](const std::filesystem::path& file, ShrinkPicture shrink) { return read_image_file(file, shrink); }) {}

  [[nodiscard]] std::size_t size() const { return files_.size(); }
  [[nodiscard]] int label(std::size_t i) const { return files_.label(i); }
  [[nodiscard]] int class_count() const { return static_cast<int>(files_.classes().size()); }
  [[nodiscard]] const std::vector<std::string>& class_names() const { return files_.classes(); }
  // The last part of the folder's name.
  [[nodiscard]] std::string name() const { return (files_.folder() / "").parent_path().filename().string(); }
  [[nodiscard]] std::filesystem::path file(std::size_t i) const { return files_.file(i); }
  [[nodiscard]] int short_side() const { return files_.short_side(); }
  [[nodiscard]] std::string describe() const { return files_.describe(); }

  // The picture as it is without variation, (H,W,C). Throws DataError if it cannot be read and options.strict, or if no
  // picture of its class can.
  [[nodiscard]] std::vector<std::uint8_t> pixels(std::size_t i) const {
    std::vector<std::uint8_t> to(static_cast<std::size_t>(Image_.size()));
    files_.load(i, to, nullptr);
    return to;
  }
  void load(std::size_t i, std::span<std::uint8_t> to, const Random& random) const { files_.load(i, to, &random); }

  // The same pictures, of which batches have random parts: for training. Throws std::invalid_argument.
  [[nodiscard]] ImageFolder varied(const RandomResizedCrop& crop = {}) const { return ImageFolder(files_.varied(crop)); }
  [[nodiscard]] ImageFolder varied(RandomCrop crop) const { return ImageFolder(files_.varied(crop)); }
  [[nodiscard]] ImageFolder plain() const { return ImageFolder(files_.plain()); }

  // Messages about the files that were found broken so far, each with the file's name.
  [[nodiscard]] std::vector<std::string> broken() const { return files_.broken(); }
  // Decodes every file once and leaves out the broken ones, which are named on stderr. 0 threads: as many as the process
  // has processors. Throws DataError if nothing of a class is left.
  [[nodiscard]] ImageFolder without_broken(int threads = 0) const { return ImageFolder(files_.without_broken(threads)); }

 private:
  explicit ImageFolder(detail::PictureFiles files) : files_(std::move(files)) {}

  detail::PictureFiles files_;
};

}  // namespace strata::inline STRATA_ABI
