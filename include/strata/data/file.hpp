// SPDX-License-Identifier: BSL-1.0
// Whole files of a data set.
#pragma once
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <system_error>
#include <vector>

#include <strata/data/dataset.hpp>

namespace strata {

// Reads a whole file, or throws DataError. data/gzip.hpp has one that unpacks .gz.
using FileReader = std::function<std::vector<std::uint8_t>(const std::filesystem::path&)>;

namespace detail {

// Throws DataError if the file cannot be read or has more than `most` bytes.
inline std::vector<std::uint8_t> read_whole_file(const std::filesystem::path& file, const std::string& expected,
                                                 std::uintmax_t most = std::numeric_limits<std::uintmax_t>::max()) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  if (error) throw DataError(file.string(), DataError::whole, error.message(), expected);
  if (size > most)
    throw DataError(file.string(), DataError::whole, std::to_string(size) + " bytes",
                    "at most " + std::to_string(most) + " bytes");
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  std::ifstream in(file, std::ios::binary);
  if (!in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())))
    throw DataError(file.string(), DataError::whole, "cannot be read", expected);
  return bytes;
}
// Where a file of another length than expected ends.
inline std::string length_text(std::uintmax_t found, std::uintmax_t expected) {
  return (found < expected ? "the file ends after " : "the file continues to ") + std::to_string(found) + " bytes";
}

}  // namespace detail

inline std::vector<std::uint8_t> read_plain_file(const std::filesystem::path& file) {
  return detail::read_whole_file(file, "a file that can be read");
}

}  // namespace strata
