// SPDX-License-Identifier: BSL-1.0
// Matrix products: C = [C +] op(A) op(B), row-major, one thread. Both operands are packed into panels and a
// register-blocked micro-kernel runs over them. The order of each sum depends on k alone, so that the bits are
// independent of how the caller cuts m and n.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/simd.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/core/linkage.hpp>

#if defined(__x86_64__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace strata::inline STRATA_ABI::cpu {

namespace detail {

// C (Rows x Columns vectors) = [C +] A' (depth x Rows) B (depth x Columns vectors). A is packed. Fresh: B is still in the
// caller's matrix, with stride_b from row to row, and is copied to `packed` for the next panels at no extra cost.
template <class T, int Bytes, int Rows, int Columns, bool Fresh>
STRATA_INLINE void tile(const T* a, const T* b, std::int64_t stride_b, T* packed, T* c, std::int64_t stride_c, int depth,
                        bool add) {
  using vector = detail::vector<T, Bytes>;
  constexpr int lanes = lanes_of<T, Bytes>;
  constexpr int ahead = 16;  // rows of B: about the latency of memory
  vector sum[std::size_t{Rows}][std::size_t{Columns}]{};
  const T* row = c;
  STRATA_UNROLL for (int i = 0; i < Rows; ++i) {
    STRATA_UNROLL for (int j = 0; j < Columns; ++j) __builtin_prefetch(row + j * lanes, 1);
    row += stride_c;
  }
  for (int k = 0; k < depth; ++k) {
    vector right[std::size_t{Columns}];
    STRATA_UNROLL for (int j = 0; j < Columns; ++j) std::memcpy(&right[j], b + j * lanes, sizeof right[j]);
    if constexpr (Fresh) {
      const T* later = b + (k + ahead < depth ? ahead : 0) * stride_b;
      STRATA_UNROLL for (int j = 0; j < Columns; ++j) __builtin_prefetch(later + j * lanes);
      STRATA_UNROLL for (int j = 0; j < Columns; ++j) std::memcpy(packed + j * lanes, &right[j], sizeof right[j]);
      b += stride_b;
      packed += Columns * lanes;
    } else {
      b += Columns * lanes;
    }
    STRATA_UNROLL for (int i = 0; i < Rows; ++i) {
      const T left = a[i];
      STRATA_UNROLL for (int j = 0; j < Columns; ++j) sum[i][j] += left * right[j];
    }
    a += Rows;
  }
  // Vector by vector: if copied as rows, g++ 12 keeps the sums in memory.
  if (add) {
    T* to = c;
    STRATA_UNROLL for (int i = 0; i < Rows; ++i) {
      STRATA_UNROLL for (int j = 0; j < Columns; ++j) {
        vector old;
        std::memcpy(&old, to + j * lanes, sizeof old);
        old += sum[i][j];
        std::memcpy(to + j * lanes, &old, sizeof old);
      }
      to += stride_c;
    }
    return;
  }
  STRATA_UNROLL for (int i = 0; i < Rows; ++i) {
    STRATA_UNROLL for (int j = 0; j < Columns; ++j) std::memcpy(c + j * lanes, &sum[i][j], sizeof sum[i][j]);
    c += stride_c;
  }
}

template <class T>
using Tile = void (*)(const T* a, const T* b, std::int64_t stride_b, T* packed, T* c, std::int64_t stride_c, int depth,
                      bool add);

// Tiles grow in steps of this many rows: three steps fill the registers with sums.
constexpr int step_of(int bytes) { return registers_for(bytes) == 32 ? 4 : 2; }  // 24 of 32 registers, 12 of 16
template <class T, int Steps, int Columns, bool Fresh>
struct GemmTile {
  template <int Bytes>
  STRATA_INLINE static void run(const T* a, const T* b, std::int64_t stride_b, T* packed, T* c, std::int64_t stride_c,
                                int depth, bool add) {
    tile<T, Bytes, Steps * step_of(Bytes), Columns, Fresh>(a, b, stride_b, packed, c, stride_c, depth, add);
  }
  static Tile<T> of(KernelPath path) {
    return versions<GemmTile, const T*, const T*, std::int64_t, T*, T*, std::int64_t, int, bool>::of(path);
  }
};

// One instruction set's tiles: one to three steps high; one or two vectors wide.
template <class T>
struct Tiles {
  int step, lanes;
  Tile<T> packed[3][2];
  Tile<T> fresh[3];
};
template <class T>
Tiles<T> tiles_of(KernelPath path) {
  const int bytes = bytes_of(path);
  return {step_of(bytes),
          bytes / static_cast<int>(sizeof(T)),
          {{GemmTile<T, 1, 1, false>::of(path), GemmTile<T, 1, 2, false>::of(path)},
           {GemmTile<T, 2, 1, false>::of(path), GemmTile<T, 2, 2, false>::of(path)},
           {GemmTile<T, 3, 1, false>::of(path), GemmTile<T, 3, 2, false>::of(path)}},
          {GemmTile<T, 1, 2, true>::of(path), GemmTile<T, 2, 2, true>::of(path), GemmTile<T, 3, 2, true>::of(path)}};
}

// to[k][0, 4) = from[0, 4)[k]: four rows become columns.
template <class T>
void interleave4(const T* from, std::int64_t ld, int depth, T* to, std::int64_t stride) {
  int k = 0;
#if defined(__x86_64__)
  if constexpr (std::is_same_v<T, float>) {
    for (; k + 4 <= depth; k += 4) {
      const __m128 a = _mm_loadu_ps(from + k), b = _mm_loadu_ps(from + ld + k);
      const __m128 c = _mm_loadu_ps(from + 2 * ld + k), d = _mm_loadu_ps(from + 3 * ld + k);
      const __m128 ab = _mm_unpacklo_ps(a, b), cd = _mm_unpacklo_ps(c, d);
      const __m128 ab2 = _mm_unpackhi_ps(a, b), cd2 = _mm_unpackhi_ps(c, d);
      _mm_storeu_ps(to, _mm_movelh_ps(ab, cd));
      _mm_storeu_ps(to + stride, _mm_movehl_ps(cd, ab));
      _mm_storeu_ps(to + 2 * stride, _mm_movelh_ps(ab2, cd2));
      _mm_storeu_ps(to + 3 * stride, _mm_movehl_ps(cd2, ab2));
      to += 4 * stride;
    }
  }
#elif defined(__aarch64__)
  if constexpr (std::is_same_v<T, float>) {
    const auto join = [](float32x4_t low, float32x4_t high) { return vcombine_f32(vget_low_f32(low), vget_low_f32(high)); };
    const auto join_high = [](float32x4_t low, float32x4_t high) {
      return vcombine_f32(vget_high_f32(low), vget_high_f32(high));
    };
    for (; k + 4 <= depth; k += 4) {
      const float32x4_t a = vld1q_f32(from + k), b = vld1q_f32(from + ld + k);
      const float32x4_t c = vld1q_f32(from + 2 * ld + k), d = vld1q_f32(from + 3 * ld + k);
      const float32x4_t ab = vzip1q_f32(a, b), cd = vzip1q_f32(c, d);
      const float32x4_t ab2 = vzip2q_f32(a, b), cd2 = vzip2q_f32(c, d);
      vst1q_f32(to, join(ab, cd));
      vst1q_f32(to + stride, join_high(ab, cd));
      vst1q_f32(to + 2 * stride, join(ab2, cd2));
      vst1q_f32(to + 3 * stride, join_high(ab2, cd2));
      to += 4 * stride;
    }
  }
#endif
  for (; k < depth; ++k, to += stride)
    for (int i = 0; i < 4; ++i) to[i] = from[i * ld + k];
}

template <class T, int Count>
void copy_lines(const T* from, std::int64_t ld, int depth, T* to, int width) {
  for (int k = 0; k < depth; ++k, from += ld, to += width) std::memcpy(to, from, Count * sizeof(T));
}

// One panel: to[k][0, width) = `rows` rows of op(X), then zeros. If `lines`, X is stored as x(k, row), so that a panel's
// elements are adjacent; otherwise as x(row, k).
template <class T>
void pack_panel(bool lines, int rows, int depth, const T* x, std::int64_t ld, int width, T* to) {
  int done = 0;
  if (!lines) {
    for (; done + 4 <= rows; done += 4) interleave4(x + done * ld, ld, depth, to + done, width);
    for (; done < rows; ++done) {
      const T* from = x + done * ld;
      T* at = to + done;
      for (int k = 0; k < depth; ++k, at += width) *at = from[k];
    }
  } else {
    for (; done + 16 <= rows; done += 16) copy_lines<T, 16>(x + done, ld, depth, to + done, width);
    for (; done + 4 <= rows; done += 4) copy_lines<T, 4>(x + done, ld, depth, to + done, width);
    for (; done < rows; ++done) copy_lines<T, 1>(x + done, ld, depth, to + done, width);
  }
  for (; done < width; ++done) {
    T* at = to + done;
    for (int k = 0; k < depth; ++k, at += width) *at = T{0};
  }
}

// Height of the next tile: the tallest, but never a full tile before a flat one, whose few sums depend on each other.
inline int tile_height(int left, int step) {
  if (left > 3 * step) return left > 4 * step ? 3 * step : 2 * step;
  return (left + step - 1) / step * step;
}

// Prefetches a row into the second-level cache.
template <class T>
void prefetch(const T* row, int count) {
  constexpr int numbers = line / static_cast<int>(sizeof(T));
  for (int i = 0; i < count; i += numbers) __builtin_prefetch(row + i, 0, 2);
}

// Copies rows [first, last) of B, `count` panels wide, into these panels.
template <class T, int Bytes>
void copy_rows(const T* b, std::int64_t ldb, int first, int last, int count, std::int64_t depth, T* to) {
  constexpr int columns = Bytes / static_cast<int>(sizeof(T));
  for (int k = first; k < last; ++k)
    for (int p = 0; p < count; ++p)
      std::memcpy(to + (p * depth + k) * columns, b + k * ldb + p * columns, static_cast<std::size_t>(Bytes));
}
template <class T>
void copy_rows(int bytes, const T* b, std::int64_t ldb, int first, int last, int count, std::int64_t depth, T* to) {
  if (bytes == 128) return copy_rows<T, 128>(b, ldb, first, last, count, depth, to);
  if (bytes == 64) return copy_rows<T, 64>(b, ldb, first, last, count, depth, to);
  copy_rows<T, 32>(b, ldb, first, last, count, depth, to);
}

// With Eigen's vectors: adds rows of a packed panel of B to a row of C, four at a time. Eigen's own product would cost
// every user seconds of compile time and 100 MB, for a path that only serves comparisons.
template <class T>
void gemm_by_eigen(bool transpose_a, bool transpose_b, int m, int n, int k, const T* a, std::int64_t lda, const T* b,
                   std::int64_t ldb, T* c, std::int64_t ldc, bool accumulate, T* panel) {
  constexpr int width = most_columns<T>;
  for (int j = 0; j < n; j += width) {
    const int columns = std::min(width, n - j);
    for (int first = 0; first < k; first += block_k) {
      const int depth = std::min(block_k, k - first);
      pack_panel(!transpose_b, columns, depth, transpose_b ? b + j * ldb + first : b + first * ldb + j, ldb, columns,
                 panel);
      for (int i = 0; i < m; ++i) {
        Array<T> to(c + i * ldc + j, columns);
        if (first == 0 && !accumulate) to.setZero();
        for (int l = 0; l < depth; l += 4) {
          const auto row = [&](int r) { return ConstArray<T>(panel + std::min(l + r, depth - 1) * columns, columns); };
          const auto factor = [&](int r) {
            const std::int64_t at = first + l + r;
            return l + r < depth ? a[transpose_a ? at * lda + i : i * lda + at] : T{0};
          };
          to += factor(0) * row(0) + factor(1) * row(1) + factor(2) * row(2) + factor(3) * row(3);
        }
      }
    }
  }
}

}  // namespace detail

// C(m,n) = [C +] op(A)(m,k) op(B)(k,n). lda, ldb, ldc are the row strides as stored; op transposes.
template <class T>
void gemm(bool transpose_a, bool transpose_b, int m, int n, int k, const T* a, int lda, const T* b, int ldb, T* c, int ldc,
          bool accumulate, T* scratch) {
  if (m <= 0 || n <= 0) return;
  if (k <= 0) {
    if (!accumulate)
      for (int i = 0; i < m; ++i) std::fill_n(c + static_cast<std::int64_t>(i) * ldc, n, T{0});
    return;
  }
  const KernelPath path = detail::path_now();
  if (path == KernelPath::eigen) {
    detail::gemm_by_eigen(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, c, ldc, accumulate, scratch);
    return;
  }
  const detail::Tiles<T> tiles = detail::tiles_of<T>(path);
  const int step = tiles.step, columns = 2 * tiles.lanes;
  const std::int64_t sa = lda, sb = ldb, sc = ldc;

  // The depth is cut into equal blocks. If there is one block of rows, each panel of B is used once, so that there is room
  // for one only and n is not cut.
  const int blocks = (k + detail::block_k - 1) / detail::block_k;
  const int step_k = (k + blocks - 1) / blocks;
  const bool one_block = m <= detail::block_m;
  const bool large = static_cast<std::int64_t>(k) * n * static_cast<int>(sizeof(T)) > detail::large_bytes;
  const int step_n = one_block ? n : detail::block_n;
  T* edge_tile = detail::at_cache_line(scratch);
  T* packed_a = edge_tile + detail::most_rows * detail::most_columns<T>;
  T* packed_b = detail::at_cache_line(packed_a + static_cast<std::int64_t>(step_k) *
                                                     (std::min(m, detail::block_m) + detail::most_rows));

  for (int n0 = 0; n0 < n; n0 += step_n) {
    const int nb = std::min(step_n, n - n0);
    for (int k0 = 0; k0 < k; k0 += step_k) {
      const int kb = std::min(step_k, k - k0);
      const std::int64_t depth = kb;
      const bool add = accumulate || k0 > 0;
      for (int m0 = 0; m0 < m; m0 += detail::block_m) {
        const int mb = std::min(detail::block_m, m - m0);
        int panels = 0;
        for (int i = 0, tall; i < mb; i += tall, ++panels) {
          tall = detail::tile_height(mb - i, step);
          const T* from = transpose_a ? a + k0 * sa + m0 + i : a + (m0 + i) * sa + k0;
          detail::pack_panel(transpose_a, std::min(tall, mb - i), kb, from, sa, tall, packed_a + i * depth);
        }
        // A large B is best read from memory in long pieces of its rows: full panels in groups, each group a little at a
        // time while the group before it is in use.
        const int wide = columns * detail::pack_group;
        const bool ahead = m0 == 0 && !transpose_b && large;
        const T* rows_b = b + k0 * sb + n0;
        const auto place = [&](int j) { return packed_b + (one_block ? j / wide % 2 * wide + j % wide : j) * depth; };
        const auto copy = [&](int j, int first, int last) {
          detail::copy_rows<T>(columns * static_cast<int>(sizeof(T)), rows_b + j, sb, first, last,
                               std::min(detail::pack_group, (nb - j) / columns), depth, place(j));
        };
        if (ahead) copy(0, 0, kb);
        const int each = (kb + panels * detail::pack_group - 1) / (panels * detail::pack_group);
        int copied = kb;
        for (int j = 0; j < nb; j += columns) {
          if (ahead && j % wide == 0) {
            if (j > 0) copy(j, copied, kb);
            copied = 0;
          }
          const int width = std::min(columns, nb - j);
          const int vectors = width > tiles.lanes ? 2 : 1;
          const T* from = transpose_b ? b + (n0 + j) * sb + k0 : b + k0 * sb + n0 + j;
          T* panel = place(j);
          bool fresh = m0 == 0 && !(ahead && width == columns);
          if (fresh && (transpose_b || width < columns)) {
            detail::pack_panel(!transpose_b, width, kb, from, sb, vectors * tiles.lanes, panel);
            fresh = false;
          }
          // Prefetches the next panel while this one is in use.
          const int next = m0 == 0 && transpose_b ? std::min(columns, nb - j - width) : 0;
          const T* coming = from + columns * sb;
          const int lines = std::max(next, 0), share = (lines + panels - 1) / panels;
          int asked = 0;
          for (int i = 0, tall; i < mb; i += tall) {
            tall = detail::tile_height(mb - i, step);
            const int height = std::min(tall, mb - i), size = tall / step;
            for (const int until = std::min(lines, asked + share); asked < until; ++asked)
              detail::prefetch(coming + asked * sb, kb);
            if (const int start = j / wide * wide + wide; ahead && start < nb && copied < kb) {
              const int until = std::min(kb, copied + each);
              copy(start, copied, until);
              for (int r = until; r < std::min(kb, until + each); ++r)
                detail::prefetch(rows_b + r * sb + start, std::min(wide, nb - start));
              copied = until;
            }
            T* to = c + (m0 + i) * sc + n0 + j;
            const bool whole = height == tall && width == vectors * tiles.lanes;
            const detail::Tile<T> run = fresh ? tiles.fresh[size - 1] : tiles.packed[size - 1][vectors - 1];
            run(packed_a + i * depth, fresh ? from : panel, sb, panel, whole ? to : edge_tile, whole ? sc : columns, kb,
                whole && add);
            fresh = false;
            if (whole) continue;
            for (int r = 0; r < height; ++r, to += sc) {
              const T* sums = edge_tile + r * columns;
              if (add)
                for (int l = 0; l < width; ++l) to[l] += sums[l];
              else
                for (int l = 0; l < width; ++l) to[l] = sums[l];
            }
          }
        }
      }
    }
  }
}

}  // namespace strata::inline STRATA_ABI::cpu
