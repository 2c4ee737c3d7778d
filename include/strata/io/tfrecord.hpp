// SPDX-License-Identifier: BSL-1.0
// TFRecord, the framing of TensorBoard's event files: the length in 8 bytes, its masked CRC in 4, the data, their masked
// CRC in 4; all little-endian. The CRC is CRC-32C (RFC 3720, appendix B.4); see tensorflow/core/lib/io/record_writer.h.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

// Castagnoli's polynomial, reflected.
[[nodiscard]] inline std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0U;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78U : 0U);
  }
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

}  // namespace strata::inline STRATA_ABI
