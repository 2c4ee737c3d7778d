// SPDX-License-Identifier: BSL-1.0
// Whole files of a data set.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/dataset.hpp>

namespace strata::inline STRATA_ABI {

// Reads a whole file, or throws DataError. data/gzip.hpp has one that unpacks .gz.
using FileReader = std::function<std::vector<std::uint8_t>(const std::filesystem::path&)>;

namespace detail {

// Throws DataError if the file cannot be read or has more than `most` bytes.
std::vector<std::uint8_t> read_whole_file(const std::filesystem::path& file, const std::string& expected,
                                          std::uintmax_t most = std::numeric_limits<std::uintmax_t>::max());
// Where a file of another length than expected ends.
std::string length_text(std::uintmax_t found, std::uintmax_t expected);

}  // namespace detail

std::vector<std::uint8_t> read_plain_file(const std::filesystem::path& file);

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/data/file_impl.hpp>
#endif
