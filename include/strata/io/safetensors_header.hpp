// SPDX-License-Identifier: BSL-1.0
// The header of a safetensors file: JSON of two fixed depths with strings and lists of non-negative integers.
//
// We parse it ourselves. The library needs nothing but the standard library, and a fixed grammar has no recursion that a
// hostile file could exhaust and accepts nothing that the format does not have.
#pragma once
#include <bit>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

static_assert(std::endian::native == std::endian::little, "strata: safetensors files are little-endian");
static_assert(std::numeric_limits<float>::is_iec559 && std::numeric_limits<double>::is_iec559);

// One tensor of a file. Offsets are bytes from the end of the header.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // "F32", "F64", "F16" or "BF16"
  std::vector<std::int64_t> shape;
  std::int64_t begin = 0, end = 0;
  // Bytes of an element; 0 for a dtype that is not supported.
  [[nodiscard]] std::int64_t element_bytes() const;
  [[nodiscard]] std::int64_t size() const { return (end - begin) / element_bytes(); }
};

namespace detail {

inline constexpr std::uint64_t safetensors_header_limit = 100'000'000;  // bytes, as in the reference implementation
inline constexpr std::string_view safetensors_metadata = "__metadata__";

void append_utf8(std::string& out, std::uint32_t c);

// Appends `text` as a JSON string. Throws std::invalid_argument if it is not UTF-8.
void append_json_string(std::string& out, std::string_view text);

void append_list(std::string& out, const std::vector<std::int64_t>& numbers);

// The product, or -1 if a factor is negative or the product exceeds int64.
std::int64_t checked_product(std::int64_t start, const std::vector<std::int64_t>& factors);

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> tensors;  // sorted by the position of their data
  std::map<std::string, std::string> metadata;
};

// Throws FileError with the path. data_bytes: of the file after the header.
SafetensorsHeader parse_safetensors_header(const std::filesystem::path& path, std::string_view text,
                                           std::int64_t data_bytes);

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/io/safetensors_header_impl.hpp>
#endif
