// SPDX-License-Identifier: BSL-1.0
// The functions of safetensors_reader.hpp.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/io/safetensors_reader.hpp>
#include <strata/util/file_error.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

// The two kinds of 16 bits by their bits; every value is exact in float.
// bfloat16: the upper half of a float.
STRATA_DEFINE float from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}
// IEEE half precision: 5 bits of exponent, 10 of mantissa.
STRATA_DEFINE float from_half(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16, magnitude = bits & 0x7FFF;
  if (magnitude < 0x400)  // subnormal: multiples of 2^-24
    return std::copysign(static_cast<float>(magnitude) * 0x1p-24F, std::bit_cast<float>(sign | 0x3F800000));
  if (magnitude >= 0x7C00) return std::bit_cast<float>(sign | 0x7F800000 | magnitude << 13);  // infinity or NaN
  return std::bit_cast<float>(sign | ((magnitude << 13) + (112U << 23)));
}

}  // namespace detail

STRATA_DEFINE SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(path_, error);
  if (error) throw FileError(path_, "cannot be read: " + error.message());
  in_ = std::make_unique<std::ifstream>(path_, std::ios::binary);
  if (!*in_) throw FileError(path_, "cannot be opened");
  open(bytes);
}

STRATA_DEFINE SafetensorsFile::SafetensorsFile(std::span<const std::byte> bytes, std::filesystem::path name)
    : path_(std::move(name)), memory_(bytes) {
  open(bytes.size());
}

STRATA_DEFINE void SafetensorsFile::open(std::uintmax_t bytes) {
  if (bytes < 8) throw FileError(path_, std::to_string(bytes) + " bytes; expected at least the 8 of a safetensors length");
  std::uint64_t length = 0;
  read_bytes(0, std::as_writable_bytes(std::span(&length, 1)));
  if (length > detail::safetensors_header_limit)
    throw FileError(path_,
                    "a header of " + std::to_string(length) + " bytes; expected at most 100000000: is this safetensors?");
  if (length > bytes - 8)
    throw FileError(path_, "a header of " + std::to_string(length) + " bytes, but only " + std::to_string(bytes - 8) +
                               " follow: the file is cut off");
  std::string text(static_cast<std::size_t>(length), '\0');
  read_bytes(8, std::as_writable_bytes(std::span(text)));
  data_ = 8 + static_cast<std::int64_t>(length);
  header_ = detail::parse_safetensors_header(path_, text, static_cast<std::int64_t>(bytes) - data_);
  for (std::size_t i = 0; i < header_.tensors.size(); ++i) by_name_.emplace(header_.tensors[i].name, i);
}

STRATA_DEFINE SafetensorsFile::~SafetensorsFile() = default;
STRATA_DEFINE SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
STRATA_DEFINE SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;

STRATA_DEFINE const SafetensorsEntry* SafetensorsFile::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &header_.tensors[found->second];
}

STRATA_DEFINE const SafetensorsEntry& SafetensorsFile::entry(std::string_view name) const {
  if (const SafetensorsEntry* t = find(name)) return *t;
  throw FileError(path_, "no tensor " + std::string(name) + "; expected a tensor of that name");
}

template <class Stored, class T, class Value>
void SafetensorsFile::convert(const SafetensorsEntry& t, std::span<T> out, const Value& value) {
  std::vector<Stored> stored(out.size());
  read_bytes(data_ + t.begin, std::as_writable_bytes(std::span(stored)));
  std::transform(stored.begin(), stored.end(), out.begin(), [&](Stored x) { return static_cast<T>(value(x)); });
}

template <class T>
void SafetensorsFile::read_as(std::string_view name, std::span<T> out) {
  const SafetensorsEntry& t = entry(name);
  if (std::cmp_not_equal(t.size(), out.size()))
    throw FileError(path_, "tensor " + t.name + " has " + std::to_string(t.size()) + " numbers; expected " +
                               std::to_string(out.size()));
  if (t.dtype == (std::is_same_v<T, double> ? "F64" : "F32"))
    read_bytes(data_ + t.begin, std::as_writable_bytes(out));
  else if (t.dtype == "BF16")
    convert<std::uint16_t>(t, out, detail::from_bfloat16);
  else if (t.dtype == "F16")
    convert<std::uint16_t>(t, out, detail::from_half);
  else if constexpr (std::is_same_v<T, double>)
    convert<float>(t, out, [](float x) { return x; });
  else
    convert<double>(t, out, [](double x) { return x; });
}

STRATA_DEFINE void SafetensorsFile::read(std::string_view name, std::span<float> out) { read_as(name, out); }
STRATA_DEFINE void SafetensorsFile::read(std::string_view name, std::span<double> out) { read_as(name, out); }

// The header was checked against the size, so that no tensor ends behind the last byte.
STRATA_DEFINE void SafetensorsFile::read_bytes(std::int64_t at, std::span<std::byte> out) {
  if (!in_) {
    const std::span<const std::byte> from = memory_.subspan(static_cast<std::size_t>(at), out.size());
    std::copy(from.begin(), from.end(), out.begin());
    return;
  }
  in_->clear();
  in_->seekg(at);
  in_->read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
  if (!*in_ || in_->gcount() != static_cast<std::streamsize>(out.size()))
    throw FileError(path_, "cannot read " + std::to_string(out.size()) + " bytes at byte " + std::to_string(at));
}

}  // namespace strata::inline STRATA_ABI
