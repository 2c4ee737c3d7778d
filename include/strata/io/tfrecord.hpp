// SPDX-License-Identifier: BSL-1.0
// TFRecord, the framing of TensorBoard's event files: the length in 8 bytes, its masked CRC in 4, the data, their masked
// CRC in 4; all little-endian. The CRC is CRC-32C (RFC 3720, appendix B.4); see tensorflow/core/lib/io/record_writer.h.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <strata/util/atomic_file.hpp>

namespace strata {

// Castagnoli's polynomial, reflected.
[[nodiscard]] inline std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      t[i] = i;
      for (int bit = 0; bit < 8; ++bit) t[i] = t[i] >> 1 ^ (t[i] & 1 ? 0x82F63B78U : 0U);
    }
    return t;
  }();
  std::uint32_t crc = ~0U;
  for (const char c : bytes) crc = crc >> 8 ^ table[(crc ^ static_cast<unsigned char>(c)) & 255];
  return ~crc;
}

namespace detail {

// A CRC of data that contain CRCs would be weak, so files store it rotated and shifted.
inline std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xA282EAD8U;
}
inline void put_little_endian(std::string& out, std::uint64_t n, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(n >> (8 * i) & 255);
}
inline std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t n = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) n = n << 8 | static_cast<unsigned char>(bytes[i]);
  return n;
}

}  // namespace detail

// One record with its frame.
[[nodiscard]] inline std::string tfrecord(std::string_view data) {
  std::string out;
  out.reserve(data.size() + 16);
  detail::put_little_endian(out, data.size(), 8);
  detail::put_little_endian(out, detail::masked_crc(out), 4);
  out += data;
  detail::put_little_endian(out, detail::masked_crc(data), 4);
  return out;
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
      if (detail::little_endian(crc) != detail::masked_crc(data)) fail(std::string(what) + " damaged", "another checksum");
    };
    check(rest.substr(0, 8), rest.substr(8, 4), "its length is");
    const std::uint64_t length = detail::little_endian(rest.substr(0, 8));
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
