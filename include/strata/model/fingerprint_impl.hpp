// SPDX-License-Identifier: BSL-1.0
// The functions of fingerprint.hpp.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/model/fingerprint.hpp>
#include <strata/util/checksum.hpp>

namespace strata::inline STRATA_ABI::detail {

// FNV-1a, 64 bits.
struct Fnv {
  std::uint64_t hash = 0xcbf29ce484222325;
  constexpr Fnv& byte(unsigned b) {
    hash = (hash ^ b) * 0x100000001b3;
    return *this;
  }
  constexpr Fnv& text(std::string_view s) {
    for (const char c : s) byte(static_cast<unsigned char>(c));
    return byte(0);
  }
  constexpr Fnv& number(std::int64_t n) {
    for (int shift = 0; shift < 64; shift += 8) byte(static_cast<std::uint64_t>(n) >> shift & 255);
    return *this;
  }
};

STRATA_DEFINE std::string fingerprint_text(std::span<const Row> rows, std::span<const std::string_view> names,
                                           std::span<const std::span<const double>> numbers) {
  Fnv f;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    if (names[i] == "Dropout" || names[i] == "StochasticDepth") continue;
    const Window& w = row.step.window;
    f.number(static_cast<int>(row.kind)).text(names[i]).number(row.step.parameters);
    for (const int n :
         {row.out.flat ? 1 : 0, row.out.height, row.out.width, row.out.channels, w.kernel_h, w.kernel_w, w.stride_h,
          w.stride_w, w.dilation_h, w.dilation_w, w.pad_top, w.pad_bottom, w.pad_left, w.pad_right})
      f.number(n);
    for (const double x : numbers[i]) f.number(std::bit_cast<std::int64_t>(x));
  }
  return hex_digits(f.hash);
}

}  // namespace strata::inline STRATA_ABI::detail
