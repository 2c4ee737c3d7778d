// SPDX-License-Identifier: BSL-1.0
// The functions of picture_files.hpp.
#pragma once
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/dataset.hpp>
#include <strata/data/picture_files.hpp>
#include <strata/util/numbers.hpp>
#include <strata/util/processors.hpp>
#include <strata/util/threads.hpp>

namespace strata::inline STRATA_ABI::detail {

// Class after class, each sorted by name.
struct PictureFiles::List {
  std::filesystem::path folder;
  std::vector<std::string> classes;
  std::vector<std::string> names;  // relative to the folder
  std::vector<int> labels;
  std::vector<std::size_t> firsts;  // of each class, and the end
};
struct PictureFiles::Broken {
  std::mutex mutex;
  std::map<std::string, std::string> said;  // by name
};

STRATA_DEFINE bool names_picture(const std::filesystem::path& file) {
  std::string end = file.extension().string();
  for (char& c : end)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return end == ".jpg" || end == ".jpeg" || end == ".png";
}

STRATA_DEFINE std::vector<std::string> folders_in(const std::filesystem::path& folder) {
  constexpr const char* expected = "a folder for each class";
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error);
  if (error) throw DataError(folder.string(), DataError::whole, error.message(), expected);
  std::vector<std::string> names;
  for (const auto& entry : entries)
    if (const std::string name = entry.path().filename().string(); entry.is_directory(error) && !name.starts_with('.'))
      names.push_back(name);
  if (names.empty()) throw DataError(folder.string(), DataError::whole, "no folders in it", expected);
  std::sort(names.begin(), names.end());
  return names;
}

// Below the folder of a class, also in folders of its own; relative to `root`.
STRATA_DEFINE std::vector<std::string> pictures_in(const std::filesystem::path& root, const std::string& name) {
  std::vector<std::string> found;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entries(
      root / name, std::filesystem::directory_options::follow_directory_symlink, error);
  for (; !error && entries != std::filesystem::end(entries); entries.increment(error))
    if (names_picture(entries->path()) && !entries->is_directory())
      found.push_back(entries->path().lexically_relative(root).string());
  if (error) throw DataError((root / name).string(), DataError::whole, error.message(), "a folder that can be read");
  std::sort(found.begin(), found.end());
  return found;
}

STRATA_DEFINE PictureFiles::PictureFiles(std::filesystem::path folder, const ImageFolderOptions& options, Shape shape,
                                         ReadPicture read)
    : broken_(std::make_shared<Broken>()),
      shape_(shape),
      short_side_(options.short_side == 0 ? std::max(shape.height, shape.width) : options.short_side),
      strict_(options.strict),
      read_(read) {
  if (short_side_ < std::max(shape.height, shape.width))
    throw std::invalid_argument("strata: the short side " + std::to_string(short_side_) + " of pictures is below the " +
                                std::to_string(std::max(shape.height, shape.width)) + " pixels of the input");
  auto list = std::make_shared<List>();
  list->folder = std::move(folder);
  const std::vector<std::string> found = folders_in(list->folder);
  list->classes = options.classes.empty() ? found : options.classes;
  for (const std::string& name : found)
    if (std::find(list->classes.begin(), list->classes.end(), name) == list->classes.end())
      throw DataError((list->folder / name).string(), DataError::whole, "a folder of no known class",
                      "one of " + std::to_string(list->classes.size()) + " classes, such as " + list->classes.front());
  for (std::size_t c = 0; c < list->classes.size(); ++c) {
    list->firsts.push_back(list->names.size());
    std::vector<std::string> names = pictures_in(list->folder, list->classes[c]);
    if (names.empty())
      throw DataError((list->folder / list->classes[c]).string(), DataError::whole, "a class without pictures",
                      "files that end in .jpg, .jpeg or .png");
    list->labels.resize(list->names.size() + names.size(), static_cast<int>(c));
    std::move(names.begin(), names.end(), std::back_inserter(list->names));
  }
  list->firsts.push_back(list->names.size());
  list_ = std::move(list);
}

STRATA_DEFINE std::size_t PictureFiles::size() const { return list_->names.size(); }
STRATA_DEFINE int PictureFiles::label(std::size_t i) const { return list_->labels.at(i); }
STRATA_DEFINE std::filesystem::path PictureFiles::file(std::size_t i) const { return list_->folder / list_->names.at(i); }
STRATA_DEFINE const std::vector<std::string>& PictureFiles::classes() const { return list_->classes; }
STRATA_DEFINE const std::filesystem::path& PictureFiles::folder() const { return list_->folder; }

STRATA_DEFINE std::string PictureFiles::describe() const {
  if (resized_crop_) return resized_crop_->describe();
  if (crop_) return "RandomCrop{short_side " + std::to_string(crop_->short_side) + "}";
  return "short_side " + std::to_string(short_side_);
}

STRATA_DEFINE std::vector<std::string> PictureFiles::broken() const {
  const std::lock_guard<std::mutex> lock(broken_->mutex);
  std::vector<std::string> all;
  for (const auto& [name, what] : broken_->said) all.push_back(what);
  return all;
}

STRATA_DEFINE PictureFiles PictureFiles::plain() const {
  PictureFiles other = *this;
  other.resized_crop_.reset(), other.crop_.reset();
  return other;
}
STRATA_DEFINE PictureFiles PictureFiles::varied(const RandomResizedCrop& crop) const {
  crop.validate(shape_);
  PictureFiles other = plain();
  other.resized_crop_ = crop;
  return other;
}
STRATA_DEFINE PictureFiles PictureFiles::varied(RandomCrop crop) const {
  const int longer = std::max(shape_.height, shape_.width);
  if (crop.short_side == 0) crop.short_side = longer;
  if (crop.short_side < longer)
    throw std::invalid_argument("strata: RandomCrop from the short side " + std::to_string(crop.short_side) +
                                "; the input has " + std::to_string(longer) + " pixels");
  PictureFiles other = plain();
  other.crop_ = crop;
  return other;
}

STRATA_DEFINE Image PictureFiles::view(const std::filesystem::path& file, const Random* random) const {
  const int height = shape_.height, width = shape_.width;
  const bool part = random && resized_crop_.has_value();
  ImageBox box{};  // of the whole picture
  int whole_h = 0, whole_w = 0;
  // Read at twice the size that is needed at least, a picture looks as if it had been read whole.
  const auto choose = [&](int h, int w) {
    whole_h = h, whole_w = w;
    if (!part) return std::min(h, w) / (2 * (random && crop_ ? crop_->short_side : short_side_));
    box = resized_crop_->draw(h, w, *random);
    return std::min(box.height / (2 * height), box.width / (2 * width));
  };
  const Image image = read_(file, choose);
  if (whole_h == 0) choose(image.height, image.width);
  if (part) {
    // The picture may have been read at a reduced size.
    const auto scaled = [](int from, int length, int whole, int now) {
      const double factor = static_cast<double>(now) / whole;
      const int first = std::min(static_cast<int>(from * factor), now - 1);
      return std::pair(first, std::clamp(static_cast<int>(std::lround(length * factor)), 1, now - first));
    };
    const auto [top, part_h] = scaled(box.top, box.height, whole_h, image.height);
    const auto [left, part_w] = scaled(box.left, box.width, whole_w, image.width);
    return resize(image, {top, left, part_h, part_w}, height, width);
  }
  if (!random || !crop_) return resize_and_crop(image, short_side_, height, width);
  const auto [h, w] = sides_for(image.height, image.width, crop_->short_side);
  const auto place = [&](int room, std::uint64_t element) {
    return static_cast<int>(random->below(static_cast<std::uint32_t>(room + 1), element));
  };
  return crop(resize(image, h, w), {place(h - height, 0), place(w - width, 1), height, width});
}

STRATA_DEFINE void PictureFiles::note(std::size_t i, const std::string& what) const {
  const std::lock_guard<std::mutex> lock(broken_->mutex);
  if (broken_->said.emplace(list_->names[i], what).second) std::fprintf(stderr, "%s; left out\n", what.c_str());
}

STRATA_DEFINE void PictureFiles::load(std::size_t i, std::span<std::uint8_t> to, const Random* random) const {
  const auto label = static_cast<std::size_t>(list_->labels.at(i));
  const std::size_t first = list_->firsts[label], count = list_->firsts[label + 1] - first;
  for (std::size_t tried = 0; tried < count; ++tried) {
    const std::size_t at = first + (i - first + tried) % count;
    try {
      Image image = view(file(at), random);
      if (shape_.channels == 1) image = to_grey(image);
      std::copy(image.pixels.begin(), image.pixels.end(), to.begin());
      return;
    } catch (const DataError& e) {
      if (strict_) throw;
      note(at, e.what());
    }
  }
  throw DataError((list_->folder / list_->classes[label]).string(), DataError::whole, "no picture that can be read",
                  "at least one");
}

STRATA_DEFINE PictureFiles PictureFiles::without_broken(int threads) const {
  std::vector<char> fine(size(), 1);
  std::atomic<std::size_t> next{0};
  std::exception_ptr error;
  std::mutex mutex;
  const auto work = [&](int) {
    for (std::size_t i; (i = next++) < fine.size();) try {
        (void)read_(file(i), [](int, int) { return 8; });
      } catch (const DataError& e) {
        fine[i] = 0;
        note(i, e.what());
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        error = std::current_exception();
        next = fine.size();
      }
  };
  std::vector<std::thread> workers;
  try {
    detail::start_threads(workers, threads > 0 ? threads : usable_processors(), 1, work);
    work(0);
  } catch (...) {
    const std::lock_guard<std::mutex> lock(mutex);
    error = std::current_exception();
    next = fine.size();
  }
  for (std::thread& worker : workers) worker.join();
  if (error) std::rethrow_exception(error);

  auto list = std::make_shared<List>();
  list->folder = list_->folder, list->classes = list_->classes;
  for (std::size_t c = 0; c < list_->classes.size(); ++c) {
    list->firsts.push_back(list->names.size());
    for (std::size_t i = list_->firsts[c]; i < list_->firsts[c + 1]; ++i)
      if (fine[i]) list->names.push_back(list_->names[i]), list->labels.push_back(static_cast<int>(c));
    if (list->names.size() == list->firsts.back())
      throw DataError((list_->folder / list_->classes[c]).string(), DataError::whole, "no picture that can be read",
                      "at least one");
  }
  list->firsts.push_back(list->names.size());
  PictureFiles other = *this;
  other.list_ = std::move(list);
  return other;
}

}  // namespace strata::inline STRATA_ABI::detail
