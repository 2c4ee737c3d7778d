// SPDX-License-Identifier: BSL-1.0
// An image as a BMP file: the smallest format that every browser reads and that needs no library.
#pragma once
#include <cstdint>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/image.hpp>

namespace strata::inline STRATA_ABI {

// 24 bits a pixel, rows from the bottom up, each padded to four bytes (Microsoft, BITMAPINFOHEADER). Throws
// std::invalid_argument for an image that is not valid() or larger than 16384 on a side.
[[nodiscard]] std::vector<std::uint8_t> bmp(const Image& image);

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/data/bmp_impl.hpp>
#endif
