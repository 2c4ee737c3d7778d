// SPDX-License-Identifier: BSL-1.0
// Reads TFRecord files, to check what io/tfrecord.hpp writes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <strata/io/tfrecord.hpp>
#include <strata/util/atomic_file.hpp>

namespace strata {

inline std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t n = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) n = n << 8 | static_cast<unsigned char>(bytes[i]);
  return n;
}

// The records in the bytes of a file; `path` is for messages. Throws FileError with the position if they are damaged or cut
// off.
[[nodiscard]] inline std::vector<std::string> read_tfrecords(const std::filesystem::path& path, std::string_view bytes) {
  std::vector<std::string> records;
  std::size_t at = 0;
  const auto fail = [&](const std::string& found, const std::string& expected) {
    throw FileError(path, "record " + std::to_string(records.size()) + ", at byte " + std::to_string(at) + ": " + found +
                              "; expected " + expected);
  };
  while (at < bytes.size()) {
    const std::string_view rest = bytes.substr(at);
    if (rest.size() < 16) fail(std::to_string(rest.size()) + " bytes are left", "at least 16");
    const auto check = [&](std::string_view data, std::string_view crc, const char* what) {
      if (little_endian(crc) != detail::masked_crc(data)) fail(std::string(what) + " damaged", "another checksum");
    };
    check(rest.substr(0, 8), rest.substr(8, 4), "its length is");
    const std::uint64_t length = little_endian(rest.substr(0, 8));
    if (length > rest.size() - 16)
      fail(std::to_string(length) + " bytes long, but the file ends before", "at most " + std::to_string(rest.size() - 16));
    const auto size = static_cast<std::size_t>(length);
    check(rest.substr(12, size), rest.substr(12 + size, 4), "its data are");
    records.emplace_back(rest.substr(12, size));
    at += 16 + size;
  }
  return records;
}

}  // namespace strata
