// SPDX-License-Identifier: BSL-1.0
// The functions of data_info.hpp.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/pixels.hpp>
#include <strata/io/data_info.hpp>
#include <strata/util/file_error.hpp>
#include <strata/util/parse_number.hpp>
#include <strata/util/take_line.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

// Lines of the form "key a b c".
class DataInfoReader {
 public:
  DataInfoReader(const std::filesystem::path& path, std::string_view text) : path_(path), text_(text) {}

  template <class N>
  std::vector<N> line(std::string_view key) {
    std::string_view rest = take_line(text_);
    if (!rest.starts_with(key)) fail("\"" + std::string(rest) + "\"; expected a line \"" + std::string(key) + " ...\"");
    rest.remove_prefix(key.size());
    std::vector<N> numbers;
    while (!rest.empty()) {
      N n{};
      const auto [after, error] = parse_number(rest.data() + 1, rest.data() + rest.size(), n);
      if (rest[0] != ' ' || error != std::errc{}) fail("\"" + std::string(rest) + "\"; expected numbers");
      numbers.push_back(n);
      rest.remove_prefix(static_cast<std::size_t>(after - rest.data()));
    }
    return numbers;
  }
  int whole(std::string_view key, int least, int most) {
    const std::vector<int> numbers = line<int>(key);
    if (numbers.size() != 1 || numbers[0] < least || numbers[0] > most)
      fail("the line " + std::string(key) + "; expected a number from " + std::to_string(least) + " to " +
           std::to_string(most));
    return numbers[0];
  }
  [[nodiscard]] bool at_end() const { return text_.empty(); }
  [[noreturn]] void fail(const std::string& why) const {
    throw FileError(path_, "the metadata " + std::string(input_key) + " is damaged: " + why);
  }

 private:
  const std::filesystem::path& path_;
  std::string_view text_;
};

}  // namespace detail

STRATA_DEFINE std::map<std::string, std::string> metadata_of(const DataInfo& info) {
  std::string classes, input;
  for (const std::string& name : info.classes) {
    if (name.find('\n') != std::string::npos)
      throw std::invalid_argument("strata: the class name \"" + name + "\" has a line break");
    classes += name + '\n';
  }
  const auto line = [&input](const char* key, const auto& numbers) {
    input += key;
    for (const auto n : numbers) {
      char digits[32];
      input.append(" ").append(digits, std::to_chars(digits, digits + sizeof digits, n).ptr);
    }
    input += '\n';
  };
  line("image", std::vector<int>{info.image.height, info.image.width, info.image.channels});
  line("border", std::vector<int>{info.border});
  line("grey", std::vector<int>{info.grey ? 1 : 0});
  line("mean", info.normalize.mean);
  line("deviation", info.normalize.stddev);  // the key of strata 0.1
  if (info.short_side > 0) line("short_side", std::vector<int>{info.short_side});
  return {{detail::data_key, info.name}, {detail::classes_key, classes}, {detail::input_key, input}};
}

STRATA_DEFINE DataInfo read_data_info(const SafetensorsFile& file) {
  const auto text = [&](const char* key) -> const std::string& {
    const auto found = file.metadata().find(key);
    if (found == file.metadata().end())
      throw FileError(file.path(), "no metadata " + std::string(key) +
                                       "; expected weights of save_classifier(), or of import_model.py with "
                                       "--resize, --classes, or --mean and --std");
    return found->second;
  };
  DataInfo info{.name = text(detail::data_key)};
  for (std::string_view names = text(detail::classes_key); !names.empty();)
    info.classes.emplace_back(detail::take_line(names));
  constexpr int most = 1 << 14;
  detail::DataInfoReader reader(file.path(), text(detail::input_key));
  const std::vector<int> sides = reader.line<int>("image");
  if (sides.size() != 3 || *std::min_element(sides.begin(), sides.end()) < 1 ||
      *std::max_element(sides.begin(), sides.end()) > most)
    reader.fail("the line image; expected height, width and channels");
  info.image = Shape{sides[0], sides[1], sides[2]};
  info.border = reader.whole("border", 0, (std::min(sides[0], sides[1]) - 1) / 2);
  info.grey = reader.whole("grey", 0, 1) == 1;
  info.normalize = {reader.line<float>("mean"), reader.line<float>("deviation")};
  if (!reader.at_end()) info.short_side = reader.whole("short_side", std::max(sides[0], sides[1]) - 2 * info.border, most);
  try {
    info.normalize.validate(info.image.channels);
  } catch (const std::invalid_argument& e) {
    reader.fail(e.what());
  }
  return info;
}

STRATA_DEFINE std::vector<float> to_input(const Image& image, const DataInfo& info) {
  const auto& [mean, stddev] = info.normalize;
  const int channels = info.image.channels;
  if (channels != 3 && channels != 1)
    throw std::invalid_argument("strata: images have 1 or 3 channels, and this network takes " + std::to_string(channels));
  const int height = info.image.height - 2 * info.border, width = info.image.width - 2 * info.border;
  const Image scaled = [&] {
    const Image sized =
        info.short_side > 0 ? resize_and_crop(image, info.short_side, height, width) : resize(image, height, width);
    return info.grey || channels == 1 ? to_grey(sized) : sized;
  }();
  std::vector<float> input(static_cast<std::size_t>(info.image.size()));
  for (int y = 0; y < scaled.height; ++y)
    for (int x = 0; x < scaled.width; ++x) {
      const std::uint8_t* pixel = &scaled.pixels[static_cast<std::size_t>(scaled.channels * (y * scaled.width + x))];
      const int at = ((y + info.border) * info.image.width + x + info.border) * channels;
      for (int c = 0; c < channels; ++c)
        input[static_cast<std::size_t>(at + c)] = detail::unit_value(pixel[scaled.channels == 3 ? c : 0]);
    }
  const float* means = mean.empty() ? nullptr : mean.data();
  const float* stddevs = stddev.empty() ? nullptr : stddev.data();
  for (std::size_t i = 0; i < input.size(); ++i)
    input[i] = detail::normalized(input[i], means, stddevs, static_cast<int>(i) % channels);
  return input;
}

}  // namespace strata::inline STRATA_ABI
