// SPDX-License-Identifier: BSL-1.0
// Pictures in folders: what is found, what a sample is, what is broken; and splits of data sets.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/data/batches.hpp>
#include <strata/data/image_folder.hpp>
#include <strata/data/images.hpp>
#include <strata/data/normalize_for.hpp>
#include <strata/data/one_hot.hpp>
#include <strata/data/subset.hpp>
#include <strata/io/data_info.hpp>

#include "files.hpp"
#include "pictures.hpp"

namespace {
using namespace strata;
namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;
using Pictures = ImageFolder<Shape{6, 8, 3}>;

Bytes smooth(int height, int width, int seed, double wave = 8) {
  Bytes bytes;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        bytes.push_back(
            static_cast<std::uint8_t>(128 + 100 * std::sin((x + seed) / wave + c) * std::cos((y + 2 * seed) / wave)));
  return bytes;
}
void png(const fs::path& file, int height, int width, int seed) {
  write_png(file, height, width, PNG_COLOR_TYPE_RGB, 8, smooth(height, width, seed));
}
void jpeg(const fs::path& file, int height, int width, int seed, double wave = 8) {
  write_jpeg(file, height, width, JCS_RGB, smooth(height, width, seed, wave));
}

// Three classes with 3, 4 and 2 pictures, and files that are none.
struct Animals : Folder {
  Animals() {
    for (const char* name : {"cat", "Zebra", "dog/big", ".git"}) fs::create_directories(path / name);
    png(path / "cat" / "b.png", 20, 30, 1), jpeg(path / "cat" / "a.JPG", 40, 30, 2), png(path / "cat" / "c.Png", 6, 8, 3);
    jpeg(path / "dog" / "2.jpeg", 50, 90, 4), jpeg(path / "dog" / "big" / "1.jpg", 96, 100, 5, 50);
    png(path / "dog" / "1.png", 9, 9, 6), png(path / "dog" / "3.png", 9, 12, 7);
    jpeg(path / "Zebra" / "1.jpg", 30, 20, 8), jpeg(path / "Zebra" / "2.jpg", 30, 25, 9);
    png(path / ".git" / "1.png", 9, 9, 0);
    put(path / "cat" / "notes.txt", "not a picture");
    put(path / "readme.png", "not in a class");
  }
};
std::string error_of(const fs::path& folder, const ImageFolderOptions& options = {}) {
  try {
    const Pictures pictures(folder, options);
  } catch (const DataError& e) {
    return e.what();
  }
  return "";
}

// The images of an epoch in the order of the data set.
template <class D>
std::vector<std::vector<float>> epoch_of(const D& data, BatchOptions options, std::uint64_t epoch) {
  Batches<D> batches(data, options);
  batches.start(epoch);
  std::vector<std::vector<float>> images(data.size());
  while (const Batch* b = batches.next()) {
    const std::size_t one = b->images.size() / static_cast<std::size_t>(b->size);
    for (std::size_t i = 0; i < b->indices.size(); ++i) {
      const auto image = b->images.subspan(i * one, one);
      images[b->indices[i]].assign(image.begin(), image.end());
    }
  }
  return images;
}

TEST_CASE("the folders are the classes, and their pictures the samples") {
  const Animals folder;
  const Pictures pictures(folder.path);
  CHECK(pictures.class_count() == 3);
  CHECK(class_names(pictures) == std::vector<std::string>{"Zebra", "cat", "dog"});
  CHECK(pictures.name() == folder.path.filename().string());
  CHECK(Pictures(folder.path / "").name() == folder.path.filename().string());
  std::string list;
  for (std::size_t i = 0; i < pictures.size(); ++i)
    list += pictures.file(i).lexically_relative(folder.path).string() + " " + std::to_string(pictures.label(i)) + "\n";
  CHECK(list ==
        "Zebra/1.jpg 0\nZebra/2.jpg 0\ncat/a.JPG 1\ncat/b.png 1\ncat/c.Png 1\ndog/1.png 2\ndog/2.jpeg 2\ndog/3.png 2\n"
        "dog/big/1.jpg 2\n");
  // The order of another folder's classes.
  const Pictures other(folder.path, {.classes = {"dog", "cat", "Zebra"}});
  CHECK(other.label(0) == 0);
  CHECK(other.file(0).filename() == "1.png");
}

TEST_CASE("a folder that holds no classes, or an empty one, is refused by its name") {
  const Animals folder;
  const std::string path = folder.path.string();
  CHECK(error_of(folder.path / "none") == path + "/none: No such file or directory; expected a folder for each class");
  CHECK(error_of(folder.path / "cat") == path + "/cat: no folders in it; expected a folder for each class");
  fs::create_directory(folder.path / "emu");
  put(folder.path / "emu" / "a.gif", "GIF89a");
  CHECK(error_of(folder.path) == path + "/emu: a class without pictures; expected files that end in .jpg, .jpeg or .png");
  CHECK(error_of(folder.path, {.classes = {"cat", "dog", "emu"}}) ==
        path + "/Zebra: a folder of no known class; expected one of 3 classes, such as cat");
  fs::remove_all(folder.path / "emu");
  CHECK(error_of(folder.path, {.classes = {"cat", "dog", "Zebra", "yak"}}).starts_with(path + "/yak: "));
  CHECK_THROWS_WITH_AS(Pictures(folder.path, {.short_side = 7}),
                       "strata: the short side 7 of pictures is below the 8 pixels of the input", std::invalid_argument);
  CHECK_THROWS_WITH_AS((void)Pictures(folder.path).varied(RandomCrop{7}),
                       "strata: RandomCrop from the short side 7; the input has 8 pixels", std::invalid_argument);
  CHECK_THROWS_AS((void)Pictures(folder.path).varied(RandomResizedCrop{.least_area = 0}), std::invalid_argument);
}

TEST_CASE("a sample is the middle of the resized picture") {
  const Animals folder;
  const Pictures pictures(folder.path), finer(folder.path, {.short_side = 10});
  const ImageFolder<Shape{6, 8, 1}> grey(folder.path);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    CAPTURE(i);
    const Image whole = read_image_file(pictures.file(i));
    const bool shrunk = whole.height >= 16 && whole.width >= 16 && pictures.file(i).extension() != ".png";
    const auto near = [&](const Bytes& found, const Bytes& expected) {
      REQUIRE(found.size() == expected.size());
      for (std::size_t k = 0; k < found.size(); ++k) CHECK(std::abs(found[k] - expected[k]) <= (shrunk ? 6 : 0));
    };
    near(pictures.pixels(i), resize_and_crop(whole, 8, 6, 8).pixels);
    near(finer.pixels(i), resize_and_crop(whole, 10, 6, 8).pixels);
    const Bytes colour = pictures.pixels(i), one = grey.pixels(i);
    REQUIRE(one.size() == 48);
    for (std::size_t p = 0; p < 48; ++p)
      CHECK(std::abs(one[p] - (0.299 * colour[3 * p] + 0.587 * colour[3 * p + 1] + 0.114 * colour[3 * p + 2])) <= 0.5001);
  }
  CHECK(pictures.describe() == "short_side 8");
  CHECK(data_fingerprint(pictures) != data_fingerprint(finer));
}

TEST_CASE("varied pictures are parts of them, others in each epoch, the same for any threads and batches") {
  const Animals folder;
  const Pictures pictures(folder.path);
  for (const Pictures& varied : {pictures.varied(RandomResizedCrop{.least_area = 0.2}), pictures.varied(RandomCrop{12})}) {
    const auto first = epoch_of(varied, {.batch = 4, .seed = 3, .shuffle = true, .threads = 0}, 0);
    CHECK(epoch_of(varied, {.batch = 9, .seed = 3, .threads = 3}, 0) == first);
    CHECK(epoch_of(varied, {.batch = 4, .seed = 3, .threads = 2}, 1) != first);
    CHECK(epoch_of(varied, {.batch = 4, .seed = 4, .threads = 2}, 0) != first);
    CHECK(varied.pixels(3) == pictures.pixels(3));
    CHECK(data_fingerprint(varied) != data_fingerprint(pictures));
  }
  CHECK(pictures.varied(RandomCrop{12}).describe() == "RandomCrop{short_side 12}");
  CHECK(pictures.varied().describe() == RandomResizedCrop{}.describe());
  CHECK(pictures.varied().plain().describe() == pictures.describe());
  // Windows of the resized picture, all of them.
  const Image whole = read_image_file(pictures.file(3));  // 20x30: 12x18, 7 by 11 windows
  const Image sized = resize(whole, 12, 18);
  std::set<int> seen;
  Bytes to(144);
  for (std::uint64_t i = 0; i < 1500; ++i) {
    pictures.varied(RandomCrop{12}).load(3, to, detail::transform_random(1, 0, i, 0));
    int found = -1;
    for (int top = 0; top <= 6; ++top)
      for (int left = 0; left <= 10; ++left)
        if (crop(sized, {top, left, 6, 8}).pixels == to) found = 11 * top + left;
    REQUIRE(found >= 0);
    seen.insert(found);
  }
  CHECK(seen.size() == 77);
  // The part that is drawn from the whole picture, also where the file is decoded at a reduced size.
  for (const std::size_t i : {std::size_t{3}, std::size_t{8}}) {
    const Image all = read_image_file(pictures.file(i));
    const RandomResizedCrop crop{.least_area = 0.3};
    for (std::uint64_t draw = 0; draw < 20; ++draw) {
      const Random random = detail::transform_random(2, 0, draw, 0);
      pictures.varied(crop).load(i, to, random);
      const Bytes expected = resize(all, crop.draw(all.height, all.width, random), 6, 8).pixels;
      for (std::size_t k = 0; k < 144; ++k) CHECK(std::abs(to[k] - expected[k]) <= (i == 3 ? 0 : 9));
    }
  }
}

TEST_CASE("a broken file is named and counted, and the next picture of its class is in its place") {
  const Animals folder;
  put(folder.path / "cat" / "a.JPG", "no picture");
  const std::string whole = bytes_of(folder.path / "dog" / "2.jpeg");
  put(folder.path / "dog" / "2.jpeg", whole.substr(0, whole.size() / 2));
  const Pictures pictures(folder.path), strict(folder.path, {.strict = true});
  CHECK(pictures.broken().empty());
  for (const int threads : {0, 3}) {
    const auto images = epoch_of(pictures, {.batch = 2, .threads = threads}, 0);
    CHECK(images[2] == images[3]);
    CHECK(images[6] == images[7]);
    CHECK(images[5] != images[6]);
  }
  const std::vector<std::string> broken = pictures.broken();
  REQUIRE(broken.size() == 2);
  CHECK(broken[0] ==
        (folder.path / "cat" / "a.JPG").string() + ": neither PNG nor JPEG; expected a whole PNG or JPEG file");
  CHECK(broken[1].starts_with((folder.path / "dog" / "2.jpeg").string() + ": Premature end of JPEG file"));
  CHECK_THROWS_AS((void)strict.pixels(2), DataError);
  CHECK_THROWS_AS((void)epoch_of(strict, {.batch = 2}, 0), DataError);
  CHECK(strict.pixels(3) == pictures.pixels(3));
  for (const int threads : {1, 3}) {
    const Pictures whole_ones = Pictures(folder.path).without_broken(threads);
    CHECK(whole_ones.size() == 7);
    CHECK(whole_ones.broken().size() == 2);
    CHECK(whole_ones.file(2).filename() == "b.png");
    CHECK(whole_ones.label(4) == 2);
    CHECK(whole_ones.pixels(2) == pictures.pixels(3));
  }
  put(folder.path / "Zebra" / "1.jpg", ""), put(folder.path / "Zebra" / "2.jpg", "");
  const std::string none = (folder.path / "Zebra").string() + ": no picture that can be read; expected at least one";
  CHECK_THROWS_WITH_AS((void)Pictures(folder.path).without_broken(), none.c_str(), DataError);
  CHECK_THROWS_WITH_AS((void)Pictures(folder.path).pixels(1), none.c_str(), DataError);
  fs::remove(folder.path / "dog" / "3.png");  // gone since the names were read
  CHECK(pictures.pixels(7) == pictures.pixels(8));
}

TEST_CASE("a split keeps the shares of the classes") {
  std::vector<int> labels;
  for (int i = 0; i < 300; ++i) labels.push_back(i % 10 == 0 ? 0 : i % 3 == 0 ? 1 : 2);
  labels.insert(labels.end(), {3, 3, 4});
  const ArrayDataset<Shape{1, 1, 1}, 5> data(std::vector<float>(303), labels);
  const auto [most, rest] = random_split(data, 0.2, 7);
  const auto count = [&](const auto& part, int label) {
    int n = 0;
    for (std::size_t i = 0; i < part.size(); ++i) n += part.label(i) == label;
    return n;
  };
  for (int c = 0; c < 3; ++c) {
    const int all = count(data, c);
    CHECK(count(rest, c) == static_cast<int>(std::lround(0.2 * all)));
    CHECK(count(most, c) + count(rest, c) == all);
  }
  CHECK((count(most, 3) == 1 && count(rest, 3) == 1 && count(most, 4) == 1 && count(rest, 4) == 0));
  std::set<std::size_t> places;
  for (std::size_t i = 0; i < most.size(); ++i) places.insert(most.place(i));
  for (std::size_t i = 0; i < rest.size(); ++i) places.insert(rest.place(i));
  CHECK(places.size() == 303);
  const auto again = random_split(data, 0.2, 7), other = random_split(data, 0.2, 8);
  const auto same = [&](const auto& a, const auto& b) {
    bool equal = a.size() == b.size();
    for (std::size_t i = 0; equal && i < a.size(); ++i) equal = a.place(i) == b.place(i);
    return equal;
  };
  CHECK(same(again.second, rest));
  CHECK(!same(other.second, rest));
  CHECK_THROWS_WITH_AS((void)random_split(data, 1.0),
                       "strata: a fraction of 1 cannot be split off; expected a number between 0 and 1",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS((Subset(data, {1, 303})), "strata: no sample 303 in a data set of 303", std::out_of_range);
  // Values have no classes.
  const ArrayDataset<Shape{1, 1, 1}, Target::values(Shape{1})> values(std::vector<float>(10), std::vector<float>(10));
  CHECK(random_split(values, 0.3).second.size() == 3);
}

TEST_CASE("parts of a folder give their own pictures and the folder's names") {
  const Animals folder;
  const Pictures pictures(folder.path);
  const auto [training, test] = random_split(pictures, 0.3, 1);
  CHECK(training.size() + test.size() == 9);
  CHECK(class_names(training) == class_names(pictures));
  CHECK(training.class_count() == 3);
  CHECK(training.name() == pictures.name());
  for (std::size_t i = 0; i < test.size(); ++i) CHECK(test.pixels(i) == pictures.pixels(test.place(i)));
  const auto varied = training.with(pictures.varied());
  CHECK(varied.place(2) == training.place(2));
  CHECK(epoch_of(varied, {.seed = 1}, 0) != epoch_of(training, {.seed = 1}, 0));
  CHECK(epoch_of(one_hot<3>(varied), {.seed = 1}, 0) == epoch_of(varied, {.seed = 1}, 0));
}

TEST_CASE("preprocessing is kept in a file of weights, and makes the input that batches have") {
  const Animals folder;
  const Pictures pictures(folder.path, {.short_side = 11});
  const Normalize normalize{{0.4f, 0.5f, 0.6f}, {0.2f, 0.3f, 0.4f}};
  const DataInfo info = data_info(random_split(pictures, 0.3, 1).first, normalize);
  CHECK(info.short_side == 11);
  CHECK(info.classes == std::vector<std::string>{"Zebra", "cat", "dog"});
  const auto images = epoch_of(pictures, {.normalize = normalize}, 0);
  for (const std::size_t i : {std::size_t{3}, std::size_t{4}, std::size_t{5}})  // PNGs: nothing is decoded smaller
    CHECK(to_input(read_image_file(pictures.file(i)), info) == images[i]);
  const std::string input = metadata_of(info).at("strata.input");
  CHECK(input.ends_with("\nshort_side 11\n"));
  DataInfo stretched = info;
  stretched.short_side = 0;
  CHECK(metadata_of(stretched).at("strata.input") + "short_side 11\n" == input);
  CHECK(to_input(read_image_file(pictures.file(3)), stretched) != images[3]);
}

}  // namespace
