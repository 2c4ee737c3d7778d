// SPDX-License-Identifier: BSL-1.0
// The functions of idx.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/idx.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

STRATA_DEFINE std::vector<std::uint8_t> read_idx(const std::filesystem::path& file, const FileReader& read,
                                                 std::uint32_t magic, std::span<const std::uint32_t> sizes) {
  std::vector<std::uint8_t> bytes = read(file);
  const auto fail = [&](const std::string& found, const std::string& expected, std::int64_t record = DataError::whole) {
    throw DataError(file.string(), record, found, expected);
  };
  const auto word = [&](std::size_t i) {
    return static_cast<std::uint32_t>(bytes[4 * i]) << 24 | static_cast<std::uint32_t>(bytes[4 * i + 1]) << 16 |
           static_cast<std::uint32_t>(bytes[4 * i + 2]) << 8 | static_cast<std::uint32_t>(bytes[4 * i + 3]);
  };
  const std::size_t header = 4 * (2 + sizes.size());
  if (bytes.size() < header) fail(std::to_string(bytes.size()) + " bytes", "an IDX header of " + std::to_string(header));
  if (word(0) != magic) fail("starts with " + std::to_string(word(0)), "the IDX magic " + std::to_string(magic));
  std::size_t record = 1;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (word(i + 2) != sizes[i]) fail("records have size " + std::to_string(word(i + 2)), std::to_string(sizes[i]));
    record *= sizes[i];
  }
  const std::size_t records = word(1), has = bytes.size() - header;
  if (has / record != records || has % record != 0)
    fail(length_text(bytes.size(), header + records * record),
         std::to_string(records) + " records of " + std::to_string(record) + " bytes after a header of " +
             std::to_string(header),
         static_cast<std::int64_t>(std::min(has / record, records)));
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(header));
  return bytes;
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
