// SPDX-License-Identifier: BSL-1.0
// Products by AMX: eight registers, each a tile of up to 16 rows of 64 bytes. TileProduct drives them through a struct of
// operations, so that a test can put an emulation in the place of AmxTiles. Operations: Intel's manual, volume 2.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu/simd.hpp>
#include <strata/backend/cpu_bf16/sizes.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu::bf16::detail {

// How large the tiles are, as the instruction ldtilecfg reads it.
struct alignas(64) TileSizes {
  std::uint8_t palette = 1, start_row = 0, reserved[14]{};
  std::uint16_t row_bytes[16]{};
  std::uint8_t rows[16]{};
};
static_assert(sizeof(TileSizes) == 64);

#if defined(__x86_64__)
// Operands for AT&T's syntax, and for Intel's (-masm=intel).
struct AmxTiles {
  STRATA_INLINE static void configure(const TileSizes& sizes) { asm volatile("ldtilecfg %0" : : "m"(sizes)); }
  STRATA_INLINE static void release() { asm volatile("tilerelease"); }
  template <int Tile>
  STRATA_INLINE static void zero() {
    asm volatile("tilezero {%%tmm%c0|tmm%c0}" : : "i"(Tile));
  }
  template <int Tile>
  STRATA_INLINE static void load(const void* from, std::int64_t stride) {
    asm volatile("tileloadd {(%1,%2,1), %%tmm%c0|tmm%c0, [%1+%2*1]}" : : "i"(Tile), "r"(from), "r"(stride) : "memory");
  }
  template <int Tile>
  STRATA_INLINE static void store(void* to, std::int64_t stride) {
    asm volatile("tilestored {%%tmm%c0, (%1,%2,1)|[%1+%2*1], tmm%c0}" : : "i"(Tile), "r"(to), "r"(stride) : "memory");
  }
  // Sum += Left Right.
  template <int Sum, int Left, int Right>
  STRATA_INLINE static void add_product() {
    asm volatile("tdpbf16ps {%%tmm%c2, %%tmm%c1, %%tmm%c0|tmm%c0, tmm%c1, tmm%c2}" : : "i"(Sum), "i"(Left), "i"(Right));
  }
};
#endif

// Sums in tiles 0 to 3 (two by two), left operands in 4 and 5, right ones in 6 and 7.
template <class Tiles>
struct TileProduct {
  static constexpr int rows = 16, columns = 16, depth = 32;  // of a tile
  static constexpr std::int64_t right_stride = std::int64_t{4} * panel_width;

  // The last tiles of a block are lower; the second may be missing.
  static TileSizes sizes(int upper, int lower) {
    TileSizes s;
    const int heights[] = {upper, upper, lower, lower, upper, lower, depth / 2, depth / 2};
    for (int t = 0; t < 8; ++t) {
      s.rows[t] = static_cast<std::uint8_t>(heights[t]);
      s.row_bytes[t] = heights[t] > 0 ? std::uint16_t{64} : std::uint16_t{0};
    }
    return s;
  }
  template <bool Two>
  STRATA_INLINE static void block(const Bf16* a, std::int64_t stride_a, const Bf16* b, int deep, float* c,
                                  std::int64_t stride_c, bool add) {
    const std::int64_t left_stride = 2 * stride_a, sum_stride = 4 * stride_c;
    if (add) {
      Tiles::template load<0>(c, sum_stride), Tiles::template load<1>(c + columns, sum_stride);
      if constexpr (Two) {
        float* below = c + rows * stride_c;
        Tiles::template load<2>(below, sum_stride), Tiles::template load<3>(below + columns, sum_stride);
      }
    } else {
      Tiles::template zero<0>(), Tiles::template zero<1>();
      if constexpr (Two) Tiles::template zero<2>(), Tiles::template zero<3>();
    }
    for (int k = 0; k < deep; k += depth) {
      const Bf16* right = b + std::int64_t{k} * panel_width;
      Tiles::template load<6>(right, right_stride), Tiles::template load<7>(right + 2 * columns, right_stride);
      Tiles::template load<4>(a + k, left_stride);
      Tiles::template add_product<0, 4, 6>(), Tiles::template add_product<1, 4, 7>();
      if constexpr (Two) {
        Tiles::template load<5>(a + rows * stride_a + k, left_stride);
        Tiles::template add_product<2, 5, 6>(), Tiles::template add_product<3, 5, 7>();
      }
    }
    Tiles::template store<0>(c, sum_stride), Tiles::template store<1>(c + columns, sum_stride);
    if constexpr (Two) {
      float* below = c + rows * stride_c;
      Tiles::template store<2>(below, sum_stride), Tiles::template store<3>(below + columns, sum_stride);
    }
  }
  STRATA_INLINE static void run(const Bf16* a, std::int64_t stride_a, int count, const Bf16* b, int deep, float* c,
                                std::int64_t stride_c, bool add) {
    for (int i = 0; i < count; i += 2 * rows) {
      const int left = std::min(2 * rows, count - i), upper = std::min(rows, left);
      if (i == 0 || left < 2 * rows) Tiles::configure(sizes(upper, left - upper));
      if (left > rows)
        block<true>(a + i * stride_a, stride_a, b, deep, c + i * stride_c, stride_c, add);
      else
        block<false>(a + i * stride_a, stride_a, b, deep, c + i * stride_c, stride_c, add);
    }
    Tiles::release();
  }
};

}  // namespace strata::inline STRATA_ABI::cpu::bf16::detail
