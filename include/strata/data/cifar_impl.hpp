// SPDX-License-Identifier: BSL-1.0
// The functions of cifar.hpp.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/cifar.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

STRATA_DEFINE void read_cifar(const std::filesystem::path& file, std::size_t records, std::span<const int> limits,
                              std::size_t which, std::vector<std::uint8_t>& images, std::vector<int>& labels) {
  constexpr std::size_t plane = 32 * 32;
  const std::size_t record = limits.size() + 3 * plane;
  const std::string expected = std::to_string(records) + " records of " + std::to_string(record) + " bytes, " +
                               std::to_string(records * record) + " in all";
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(file, error);
  if (error) throw DataError(file.string(), DataError::whole, error.message(), expected);
  if (bytes != records * record)
    throw DataError(file.string(), static_cast<std::int64_t>(std::min<std::uintmax_t>(bytes / record, records)),
                    length_text(bytes, records * record), expected);
  std::ifstream in(file, std::ios::binary);
  std::vector<std::uint8_t> raw(record);
  std::size_t out = images.size();
  images.resize(out + records * 3 * plane);
  for (std::size_t i = 0; i < records; ++i) {
    if (!in.read(reinterpret_cast<char*>(raw.data()), static_cast<std::streamsize>(record)))
      throw DataError(file.string(), static_cast<std::int64_t>(i), "cannot be read", expected);
    for (std::size_t k = 0; k < limits.size(); ++k)
      if (raw[k] >= limits[k])
        throw DataError(file.string(), static_cast<std::int64_t>(i), label_text(raw[k]), range_text(limits[k]));
    labels.push_back(raw[which]);
    const std::uint8_t* pixels = raw.data() + limits.size();
    for (std::size_t p = 0; p < plane; ++p)
      for (std::size_t c = 0; c < 3; ++c) images[out++] = pixels[c * plane + p];
  }
}

STRATA_DEFINE std::filesystem::path in_folder(const std::filesystem::path& dir, std::string_view folder,
                                              std::string_view file) {
  const std::filesystem::path inside = dir / folder / file;
  std::error_code ignored;
  return std::filesystem::exists(inside, ignored) ? inside : dir / file;
}

}  // namespace detail

STRATA_DEFINE Cifar10 Cifar10::train(const std::filesystem::path& dir) {
  return load(dir, {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"});
}

STRATA_DEFINE Cifar10 Cifar10::test(const std::filesystem::path& dir) { return load(dir, {"test_batch.bin"}); }

STRATA_DEFINE Cifar10 Cifar10::load(const std::filesystem::path& dir, std::initializer_list<std::string_view> files) {
  constexpr std::array<int, 1> limits{classes};
  std::vector<std::uint8_t> images;
  std::vector<int> labels;
  images.reserve(files.size() * 10000 * one);
  for (const std::string_view file : files)
    detail::read_cifar(detail::in_folder(dir, "cifar-10-batches-bin", file), 10000, limits, 0, images, labels);
  return Cifar10(std::move(images), std::move(labels));
}

}  // namespace strata::inline STRATA_ABI
