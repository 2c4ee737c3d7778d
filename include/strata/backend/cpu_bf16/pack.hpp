// SPDX-License-Identifier: BSL-1.0
// Packs operands of products (kernels.hpp). A panel's depth is padded with zeros to whole steps.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include <strata/backend/cpu_bf16/convert.hpp>
#include <strata/backend/cpu_bf16/sizes.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu::bf16::detail {

using Quad = vector<std::uint32_t, 16>;  // four pairs

STRATA_INLINE Bf16 as_bf16(Bf16 x) { return x; }
STRATA_INLINE Bf16 as_bf16(float x) { return Bf16(x); }

// The bits of a vector's elements as bfloat16, in the upper halves of integers whose lower halves have no meaning.
template <int Bytes>
STRATA_INLINE void upper_bits(vector<std::uint32_t, Bytes>& bits, const float* from) {
  load(bits, from);
  strata::detail::round_to_bf16(bits);
}
template <int Bytes>
STRATA_INLINE void upper_bits(vector<std::uint32_t, Bytes>& bits, const Bf16* from) {
  vector<std::uint16_t, Bytes / 2> halves;
  load(halves, from);
  bits = __builtin_convertvector(halves, vector<std::uint32_t, Bytes>) << 16;
}

// A panel from rows of the right operand: element (k, n) is at from[k * ld + n].
template <class From>
struct PackRowsKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const From* from, std::int64_t ld, int depth, int columns, Bf16* to) {
    constexpr int lanes = lanes_of<std::uint32_t, Bytes>;
    const int whole = depth / 2 * 2, padded = steps_of(depth);
    for (int k = 0; k < whole; k += 2, from += 2 * ld, to += 2 * panel_width) {
      int n = 0;
      for (; n + lanes <= columns; n += lanes) {
        vector<std::uint32_t, Bytes> early, late;
        upper_bits<Bytes>(early, from + n);
        upper_bits<Bytes>(late, from + ld + n);
        store(to + 2 * n, (early >> 16) | (late & 0xFFFF0000));
      }
      for (; n < columns; ++n) to[2 * n] = as_bf16(from[n]), to[2 * n + 1] = as_bf16(from[ld + n]);
      std::fill(to + 2 * columns, to + 2 * panel_width, Bf16(0));
    }
    if (whole == padded) return;
    std::fill_n(to, std::int64_t{padded - whole} * panel_width, Bf16(0));
    if (depth > whole)
      for (int n = 0; n < columns; ++n) to[2 * n] = as_bf16(from[n]);
  }
  using table = versions<PackRowsKernel, const From*, std::int64_t, int, int, Bf16*>;
};
template <class From>
void pack_rows(const From* from, std::int64_t ld, int depth, int columns, Bf16* to) {
  PackRowsKernel<From>::table::of(cpu::detail::path_now())(from, ld, depth, columns, to);
}

// Four rows of pairs become columns: to[j * stride][i] = rows[i][j].
STRATA_INLINE void transpose_quads(const Quad (&rows)[4], Bf16* to, std::int64_t stride) {
  const Quad low = __builtin_shufflevector(rows[0], rows[1], 0, 4, 1, 5);
  const Quad high = __builtin_shufflevector(rows[0], rows[1], 2, 6, 3, 7);
  const Quad low2 = __builtin_shufflevector(rows[2], rows[3], 0, 4, 1, 5);
  const Quad high2 = __builtin_shufflevector(rows[2], rows[3], 2, 6, 3, 7);
  store(to, __builtin_shufflevector(low, low2, 0, 1, 4, 5));
  store(to + stride, __builtin_shufflevector(low, low2, 2, 3, 6, 7));
  store(to + 2 * stride, __builtin_shufflevector(high, high2, 0, 1, 4, 5));
  store(to + 3 * stride, __builtin_shufflevector(high, high2, 2, 3, 6, 7));
}

// A part of a panel from columns of the right operand: element (k, n) is at from[n * ld + k]. The depth may be odd; only
// (depth + 1) / 2 rows of pairs are written.
inline void pack_columns(const float* from, std::int64_t ld, int depth, int columns, Bf16* to) {
  constexpr int at_once = 128;
  Bf16 rounded[std::size_t{4} * at_once];
  for (int n = 0; n < panel_width; n += 4)
    for (int k = 0; k < depth; k += at_once) {
      const int count = std::min(at_once, depth - k), even = (count + 1) / 2 * 2;
      for (int i = 0; i < 4; ++i) {
        Bf16* row = rounded + i * at_once;
        if (n + i < columns) {
          bf16::round(count, from + (n + i) * ld + k, row);
          if (even > count) row[count] = Bf16(0);
        } else {
          std::fill_n(row, even, Bf16(0));
        }
      }
      Bf16* panel = to + std::int64_t{k} * panel_width + 2 * n;
      int j = 0;
      for (; j + 8 <= even; j += 8) {
        Quad rows[4];
        for (int i = 0; i < 4; ++i) load(rows[i], rounded + i * at_once + j);
        transpose_quads(rows, panel + std::int64_t{j} * panel_width, 2 * panel_width);
      }
      for (; j < even; j += 2)
        for (int i = 0; i < 4; ++i)
          std::memcpy(panel + std::int64_t{j} * panel_width + 2 * i, rounded + i * at_once + j, 2 * sizeof(Bf16));
    }
}

// The left operand from its transpose: to[m * steps_of(depth) + k] = from[k * ld + m], m < rows; zeros behind.
inline void pack_transposed(const Bf16* from, std::int64_t ld, int depth, int rows, Bf16* to) {
  const std::int64_t stride = steps_of(depth);
  int k = 0;
  for (; k + 8 <= depth; k += 8) {
    const Bf16* at = from + k * ld;
    int m = 0;
    for (; m + 4 <= rows; m += 4) {
      Quad quads[4];
      for (int i = 0; i < 4; ++i) {
        Quad early, late;
        upper_bits<16>(early, at + 2 * i * ld + m);
        upper_bits<16>(late, at + (2 * i + 1) * ld + m);
        quads[i] = (early >> 16) | late;
      }
      transpose_quads(quads, to + m * stride + k, stride);
    }
    for (; m < rows; ++m)
      for (int i = 0; i < 8; ++i) to[m * stride + k + i] = at[i * ld + m];
  }
  for (int m = 0; m < rows; ++m)
    for (int i = k; i < stride; ++i) to[m * stride + i] = i < depth ? from[i * ld + m] : Bf16(0);
}

}  // namespace strata::inline STRATA_ABI::cpu::bf16::detail
