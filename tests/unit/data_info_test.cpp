// SPDX-License-Identifier: BSL-1.0
// Data information in files of weights, and images as inputs.
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <strata/data/batches.hpp>
#include <strata/data/cifar.hpp>
#include <strata/data/idx.hpp>
#include <strata/io/data_info.hpp>
#include <strata/io/safetensors.hpp>
#include <strata/util/parse_number.hpp>

#include "files.hpp"

namespace {
using namespace strata;
namespace fs = std::filesystem;

const Normalize normalize{.mean = {0.1f, 0.2f, 0.3f}, .stddev = {0.5f, 1e-7f, 3}};

DataInfo read_back(const std::map<std::string, std::string>& metadata) {
  const Folder folder;
  save_safetensors(folder.path / "a", {}, metadata);
  return read_data_info(SafetensorsFile(folder.path / "a"));
}

TEST_CASE("data information comes back") {
  const auto metadata = metadata_of(data_info<Cifar100<Coarse>>(normalize));
  CHECK(metadata.at("strata.data") == "cifar100-coarse");
  CHECK(metadata.at("strata.classes").starts_with("aquatic_mammals\nfish\n"));
  CHECK(metadata.at("strata.input") == "image 32 32 3\nborder 0\ngrey 0\nmean 0.1 0.2 0.3\ndeviation 0.5 1e-07 3\n");
  const DataInfo info = read_back(metadata);
  CHECK(metadata_of(info) == metadata);
  CHECK(info.classes.size() == 20);
  CHECK(info.normalize.stddev == normalize.stddev);
  const auto padded = metadata_of(data_info<PaddedRgb<FashionMnist>>());
  CHECK(padded.at("strata.input") == "image 32 32 3\nborder 2\ngrey 1\nmean\ndeviation\n");
  CHECK(metadata_of(read_back(padded)) == padded);
}

// Classes of a folder, known at run time.
struct Folders {
  static constexpr Shape image{8, 4, 3};
  std::vector<std::string> found{"ant", "bee"};
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(96);
  [[nodiscard]] std::string name() const { return "insects"; }
  [[nodiscard]] std::size_t size() const { return 1; }
  [[nodiscard]] int class_count() const { return 3; }
  [[nodiscard]] std::vector<std::string> class_names() const { return found; }
  [[nodiscard]] int label(std::size_t) const { return 0; }
  [[nodiscard]] std::span<const std::uint8_t> pixels(std::size_t) const { return bytes; }
};

TEST_CASE("a data set tells its names at run time") {
  const DataInfo info = data_info(Folders{}, normalize);
  CHECK(info.name == "insects");
  CHECK(info.classes == std::vector<std::string>{"ant", "bee", "2"});
  CHECK(info.image == Shape{8, 4, 3});
  CHECK(metadata_of(read_back(metadata_of(info))) == metadata_of(info));
  CHECK_THROWS_WITH_AS((void)metadata_of(data_info(Folders{.found = {"a\nb"}})), doctest::Contains("has a line break"),
                       std::invalid_argument);
  // As from the type, where that has names; numbers where nothing has.
  const ArrayDataset<Shape{28, 28, 1}, 10, std::uint8_t> digits(std::vector<std::uint8_t>(784), {1});
  CHECK(data_info(digits).classes.at(9) == "9");
  CHECK(data_info(digits).name == "arrays");
  const DataInfo padded = data_info(PaddedRgb(digits));
  CHECK(padded.border == 2);
  CHECK(padded.grey);
  CHECK(data_info(ArrayDataset<Shape{1, 1, 1}, Target::values(Shape{2})>()).classes.empty());
}

TEST_CASE("damaged metadata is refused") {
  const auto good = metadata_of(data_info<Cifar10>());
  for (const auto& [key, text] : good) {
    auto less = good;
    less.erase(key);
    CHECK_THROWS_WITH_AS(read_back(less), doctest::Contains(("no metadata " + key).c_str()), FileError);
  }
  for (const char* input :
       {"", "image 32 32\nborder 0\ngrey 0\nmean\ndeviation\n", "image 0 32 3\nborder 0\ngrey 0\nmean\ndeviation\n",
        "image 32 32 99999999\nborder 0\ngrey 0\nmean\ndeviation\n", "image 32 32 x\nborder 0\ngrey 0\nmean\ndeviation\n",
        "image 32 32 3\nborder 16\ngrey 0\nmean\ndeviation\n", "image 32 32 3\nborder -1\ngrey 0\nmean\ndeviation\n",
        "image 32 32 3\nborder 0\ngrey 2\nmean\ndeviation\n", "image 32 32 3\nborder 0\ngrey 0\nmean 1\ndeviation\n",
        "image 32 32 3\nborder 0\ngrey 0\nmean\ndeviation 1 1 0\n",
        "image 32 32 3\nborder 0\ngrey 0\nmean,1,1,1\ndeviation\n",
        "image 32 32 3\nborder 0\ngrey 0\nmean\ndeviation\nshort_side 31\n",
        "image 32 32 3\nborder 0\ngrey 0\nmean\ndeviation\nshort 40\n"}) {
    CAPTURE(input);
    auto bad = good;
    bad["strata.input"] = input;
    CHECK_THROWS_WITH_AS(read_back(bad), doctest::Contains("the metadata strata.input is damaged: "), FileError);
  }
}

// An image of the size of the data becomes the same input as in training, bit by bit.
TEST_CASE("an image becomes the input that training had") {
  std::vector<std::uint8_t> colours(3072), grey(784);
  for (std::size_t i = 0; i < 3072; ++i) colours[i] = static_cast<std::uint8_t>(i * 37);
  for (std::size_t i = 0; i < 784; ++i) grey[i] = static_cast<std::uint8_t>(i * 11);
  const auto trained_on = [](const auto& data, const Normalize& n) {
    Batches batches(data, {.batch = 1, .normalize = n, .threads = 0});
    batches.start(0);
    const Batch* b = batches.next();
    return std::vector<float>(b->images.begin(), b->images.end());
  };
  const ArrayDataset<Shape{32, 32, 3}, 10, std::uint8_t> rgb(colours, {0});
  DataInfo info{.name = "x", .image = Shape{32, 32, 3}, .normalize = normalize};
  CHECK(to_input(Image{32, 32, 3, colours}, info) == trained_on(rgb, normalize));

  const ArrayDataset<Shape{28, 28, 1}, 10, std::uint8_t> small(grey, {0});
  Image picture{28, 28, 3, {}};
  for (const std::uint8_t g : grey) picture.pixels.insert(picture.pixels.end(), {g, g, g});
  info.border = 2, info.grey = true;
  CHECK(to_input(picture, info) == trained_on(PaddedRgb(small), normalize));
  info = {.name = "x", .image = Shape{28, 28, 1}};
  CHECK(to_input(picture, info) == trained_on(small, {}));
  // Colours by their brightness: green more than red, red more than blue.
  CHECK(to_input(Image{1, 1, 3, {255, 0, 0}}, info)[0] == 76 / 255.f);
  CHECK(to_input(Image{1, 1, 3, {0, 255, 0}}, info)[0] == 150 / 255.f);
  CHECK(to_input(Image{1, 1, 3, {0, 0, 255}}, info)[0] == 29 / 255.f);
  // Grey images are three equal colours.
  Image single{28, 28, 1, grey};
  CHECK(to_input(single, info) == trained_on(small, {}));
  info.image = Shape{4, 4, 2};
  CHECK_THROWS_AS((void)to_input(picture, info), std::invalid_argument);
}

TEST_CASE("numbers are read alike with every standard library") {
  // The number, and what is left of the text.
  const auto read = [](std::string_view text, std::string_view left = "") {
    double value = -1;
    const auto [end, error] = detail::parse_number(text.data(), text.data() + text.size(), value);
    CHECK(error == std::errc{});
    CHECK(std::string_view(end, static_cast<std::size_t>(text.data() + text.size() - end)) == left);
    return value;
  };
  CHECK(read("0.1") == 0.1);
  CHECK(read("-25e-2 7", " 7") == -0.25);
  CHECK(read("1,5", ",5") == 1);
  CHECK(read("0x10", "x10") == 0);
  CHECK(read("5e-324") == 5e-324);
  CHECK(read("1.7976931348623157e308") == 1.7976931348623157e308);
  CHECK(read("-inf") == -std::numeric_limits<double>::infinity());
  float one = 0;
  const std::string_view tenth = "0.1";
  CHECK(detail::parse_number(tenth.data(), tenth.data() + tenth.size(), one).ec == std::errc{});
  CHECK(one == 0.1f);
  for (const std::string_view text : {"", " 1", "+1", "x", "-", "1e400", "-1e400"}) {
    CAPTURE(text);
    double value = -1;
    CHECK(detail::parse_number(text.data(), text.data() + text.size(), value).ec != std::errc{});
    CHECK(value == -1);
  }
}

}  // namespace
