// SPDX-License-Identifier: BSL-1.0
// The functions of file.hpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/file.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

STRATA_DEFINE std::vector<std::uint8_t> read_whole_file(const std::filesystem::path& file, const std::string& expected,
                                                        std::uintmax_t most) {
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

STRATA_DEFINE std::string length_text(std::uintmax_t found, std::uintmax_t expected) {
  return (found < expected ? "the file ends after " : "the file continues to ") + std::to_string(found) + " bytes";
}

}  // namespace detail

STRATA_DEFINE std::vector<std::uint8_t> read_plain_file(const std::filesystem::path& file) {
  return detail::read_whole_file(file, "a file that can be read");
}

}  // namespace strata::inline STRATA_ABI
