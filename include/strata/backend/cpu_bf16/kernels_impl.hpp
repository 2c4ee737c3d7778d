// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <strata/backend/cpu/path.hpp>
#include <strata/backend/cpu/simd.hpp>
#include <strata/backend/cpu_bf16/amx.hpp>
#include <strata/backend/cpu_bf16/convert.hpp>
#include <strata/backend/cpu_bf16/kernels.hpp>
#include <strata/backend/cpu_bf16/sizes.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>

// nvcc knows no intrinsics of bfloat16. Other kernels here than in the program's other files would be two definitions of
// one function.
#if defined(__CUDACC__)
#error \
    "strata: nvcc cannot compile the kernels of CpuBF16: use it in a file for the host compiler, or link strata::compiled"
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace strata::inline STRATA_ABI::cpu::bf16::detail {

STRATA_INLINE std::uint32_t pair_at(const Bf16* p) {
  std::uint32_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return bits;
}

// A pair holds two bfloat16. Shifted left by 16 bits it is the earlier one as a float; with the lower half cleared, the
// later one. The later product is added first, as vdpbf16ps does.
struct EmulatedProduct {
  static constexpr int columns = 2;  // vectors of a tile
  template <int Bytes, int Rows>
  STRATA_INLINE static void tile(const Bf16* a, std::int64_t stride_a, const Bf16* b, int depth, float* c,
                                 std::int64_t stride_c, bool add) {
    using numbers = vector<float, Bytes>;
    using integers = vector<std::uint32_t, Bytes>;
    constexpr int lanes = lanes_of<float, Bytes>;
    numbers sum[std::size_t{Rows}][std::size_t{columns}]{};
    if (add) {
      STRATA_UNROLL for (int i = 0; i < Rows; ++i) {
        STRATA_UNROLL for (int j = 0; j < columns; ++j) load(sum[i][j], c + i * stride_c + j * lanes);
      }
    }
    for (int k = 0; k < depth; k += 2) {
      numbers early[std::size_t{columns}], late[std::size_t{columns}];
      STRATA_UNROLL for (int j = 0; j < columns; ++j) {
        integers pairs;
        load(pairs, b + std::int64_t{k} * panel_width + 2 * j * lanes);
        early[j] = reinterpret_cast<numbers>(pairs << 16);
        late[j] = reinterpret_cast<numbers>(pairs & 0xFFFF0000);
      }
      STRATA_UNROLL for (int i = 0; i < Rows; ++i) {
        const float first = static_cast<float>(a[i * stride_a + k]), second = static_cast<float>(a[i * stride_a + k + 1]);
        STRATA_UNROLL for (int j = 0; j < columns; ++j) sum[i][j] += second * late[j];
        STRATA_UNROLL for (int j = 0; j < columns; ++j) sum[i][j] += first * early[j];
      }
    }
    STRATA_UNROLL for (int i = 0; i < Rows; ++i) {
      STRATA_UNROLL for (int j = 0; j < columns; ++j) store(c + i * stride_c + j * lanes, sum[i][j]);
    }
  }
  template <int Bytes>
  STRATA_INLINE static void run(const Bf16* a, std::int64_t stride_a, int rows, const Bf16* b, int depth, float* c,
                                std::int64_t stride_c, bool add) {
    constexpr int tall = cpu::detail::registers_for(Bytes) / 4, wide = columns * lanes_of<float, Bytes>;
    for (int j = 0; j < panel_width; j += wide) {
      int i = 0;
      for (; i + tall <= rows; i += tall)
        tile<Bytes, tall>(a + i * stride_a, stride_a, b + 2 * j, depth, c + i * stride_c + j, stride_c, add);
      for (; i < rows; ++i)
        tile<Bytes, 1>(a + i * stride_a, stride_a, b + 2 * j, depth, c + i * stride_c + j, stride_c, add);
    }
  }
  using table = versions<EmulatedProduct, const Bf16*, std::int64_t, int, const Bf16*, int, float*, std::int64_t, bool>;
};

#if defined(__x86_64__)
#define STRATA_AVX512_BF16 STRATA_WIDE gnu::target("avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,fma")

// By intrinsics, since the compilers' vectors have no such product.
struct Avx512Product {
  template <int Rows>
  [[STRATA_AVX512_BF16]] static void tile(const Bf16* a, std::int64_t stride_a, const Bf16* b, int depth, float* c,
                                          std::int64_t stride_c, bool add) {
    constexpr int columns = 2, lanes = 16;
    __m512 sum[std::size_t{Rows}][std::size_t{columns}];
    STRATA_UNROLL for (int i = 0; i < Rows; ++i) {
      STRATA_UNROLL for (int j = 0; j < columns; ++j) sum[i][j] =
          add ? _mm512_loadu_ps(c + i * stride_c + j * lanes) : _mm512_setzero_ps();
    }
    for (int k = 0; k < depth; k += 2, b += 2 * panel_width) {
      __m512bh right[std::size_t{columns}];
      STRATA_UNROLL for (int j = 0; j < columns; ++j) right[j] =
          reinterpret_cast<__m512bh>(_mm512_loadu_si512(b + 2 * j * lanes));
      STRATA_UNROLL for (int i = 0; i < Rows; ++i) {
        const __m512bh left =
            reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(pair_at(a + i * stride_a + k))));
        STRATA_UNROLL for (int j = 0; j < columns; ++j) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], left, right[j]);
      }
    }
    STRATA_UNROLL for (int i = 0; i < Rows; ++i) {
      STRATA_UNROLL for (int j = 0; j < columns; ++j) _mm512_storeu_ps(c + i * stride_c + j * lanes, sum[i][j]);
    }
  }
  [[STRATA_AVX512_BF16]] static void run(const Bf16* a, std::int64_t stride_a, int rows, const Bf16* b, int depth, float* c,
                                         std::int64_t stride_c, bool add) {
    int i = 0;
    for (; i + 12 <= rows; i += 12) tile<12>(a + i * stride_a, stride_a, b, depth, c + i * stride_c, stride_c, add);
    for (; i + 4 <= rows; i += 4) tile<4>(a + i * stride_a, stride_a, b, depth, c + i * stride_c, stride_c, add);
    for (; i < rows; ++i) tile<1>(a + i * stride_a, stride_a, b, depth, c + i * stride_c, stride_c, add);
  }
};

struct AmxProduct {
  [[gnu::target("amx-tile,amx-bf16")]] static void run(const Bf16* a, std::int64_t stride_a, int rows, const Bf16* b,
                                                       int depth, float* c, std::int64_t stride_c, bool add) {
    TileProduct<AmxTiles>::run(a, stride_a, rows, b, depth, c, stride_c, add);
  }
};
#undef STRATA_AVX512_BF16
#endif

STRATA_DEFINE PanelProduct panel_product(Unit unit) {
#if defined(__x86_64__)
  if (unit == Unit::amx) return AmxProduct::run;
  if (unit == Unit::avx512_bf16) return Avx512Product::run;
#endif
  static_cast<void>(unit);
  return EmulatedProduct::table::of(cpu::detail::path_now());
}

}  // namespace strata::inline STRATA_ABI::cpu::bf16::detail
