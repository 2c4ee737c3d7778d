// SPDX-License-Identifier: BSL-1.0
// The micro-kernels of convolutions: a block of sums in registers, as high as the instruction set allows and two vectors
// wide, over operands that need not be matrices. RowsTile: each row of the left operand is at a fixed distance from the row
// before it, and all rows are read along the same few spans; nothing is copied. ListTile: a list says where column k of
// both operands is.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>

#include <strata/backend/cpu/simd.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/core/linkage.hpp>
#include <strata/model/chain.hpp>

namespace strata::inline STRATA_ABI::cpu::detail {

// `length` elements of each row from a + left on, times the rows [right, right + length) of the packed right operand.
struct Span {
  std::int64_t left;
  int right, length;
};

// The last step of a tile of rows. Sums that need several calls stay in `kept`, which is dense: in the output,
// whose rows may be a power of two apart, they would evict each other from the cache. The terms of one output are added in
// the order of the calls, so that the bits are independent of the tiles.
enum TileEnd : int { add_bias = 1, add_kept = 2, keep = 4, limit = 8 };

template <class T, int Bytes, int Rows, int Columns>
STRATA_INLINE void prefetch_tile(const T* c, std::int64_t stride_c) {
  STRATA_UNROLL for (int i = 0; i < Rows; ++i) {
    STRATA_UNROLL for (int j = 0; j < Columns; ++j) __builtin_prefetch(c + j * lanes_of<T, Bytes>, 1);
    c += stride_c;
  }
}

// Heights of tiles of one or two vectors, by size 0 to 4. The tallest tiles that fit cover the remaining rows.
constexpr int tile_rows(int bytes, int size, int columns) {
  constexpr int tall[] = {1, 2, 4, 8, 12}, low[] = {1, 2, 3, 4, 6};  // 24 of 32 registers hold sums, 12 of 16
  constexpr int baseline[] = {1, 1, 1, 1, 6};  // x86 without AVX2: few processors run it, but all users compile it
  if (registers_for(bytes) == 16 && bytes < 32) return baseline[size];
  return registers_for(bytes) == 32 || columns == 1 ? tall[size] : low[size];
}
inline constexpr int tile_sizes = 5;

// Also past the end, where a pointer may not point.
template <class T>
STRATA_INLINE void prefetch_ahead(const T* from, int elements) {
  const auto ahead = static_cast<std::uintptr_t>(elements) * sizeof(T);
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(from) + ahead));
}

template <class T, int Size, int Columns>
struct RowsTile {
  static constexpr int rows(int bytes) { return tile_rows(bytes, Size, Columns); }
  template <int Bytes>
  STRATA_INLINE static void run(const T* a, std::int64_t stride_a, const Span* spans, int count, const T* b, const T* bias,
                                T* kept, T* c, std::int64_t stride_c, int end, Limits limits) {
    using vector = detail::vector<T, Bytes>;
    constexpr int rows = RowsTile::rows(Bytes), lanes = lanes_of<T, Bytes>, width = Columns * lanes;
    constexpr int threes = (rows + 2) / 3;  // x86 reaches three rows from one pointer, with the stride and twice the stride
    if (!(end & keep)) prefetch_tile<T, Bytes, rows, Columns>(c, stride_c);
    vector sum[std::size_t{rows}][std::size_t{Columns}]{};
    for (int s = 0; s < count; ++s) {
      const T* right = b + static_cast<std::int64_t>(spans[s].right) * width;
      const T* left[std::size_t{threes}];
      STRATA_UNROLL for (int i = 0; i < threes; ++i) left[i] = a + spans[s].left + 3 * i * stride_a;
      for (int k = spans[s].length; k > 0; --k) {
        vector r[std::size_t{Columns}];
        STRATA_UNROLL for (int j = 0; j < Columns; ++j) load(r[j], right + j * lanes);
        // The packed rows come from far away at their first use.
        STRATA_UNROLL for (int at = 0; at < width; at += line / static_cast<int>(sizeof(T)))
            prefetch_ahead(right, 16 * width + at);
        STRATA_UNROLL for (int i = 0; i < rows; ++i) {
          const T l = left[i / 3][i % 3 * stride_a];
          STRATA_UNROLL for (int j = 0; j < Columns; ++j) sum[i][j] += l * r[j];
        }
        right += width;
        STRATA_UNROLL for (int i = 0; i < threes; ++i)++ left[i];
      }
    }
    if (end & add_bias) {
      STRATA_UNROLL for (int j = 0; j < Columns; ++j) {
        vector v;
        load(v, bias + j * lanes);
        STRATA_UNROLL for (int i = 0; i < rows; ++i) sum[i][j] += v;
      }
    }
    if (end & add_kept) {
      STRATA_UNROLL for (int i = 0; i < rows; ++i) {
        STRATA_UNROLL for (int j = 0; j < Columns; ++j) {
          vector v;
          load(v, kept + i * width + j * lanes);
          sum[i][j] += v;
        }
      }
    }
    if (end & limit) {
      STRATA_UNROLL for (int i = 0; i < rows; ++i) {
        STRATA_UNROLL for (int j = 0; j < Columns; ++j)
            cut(sum[i][j], static_cast<T>(limits.low), static_cast<T>(limits.high));
      }
    }
    T* to = end & keep ? kept : c;
    const std::int64_t stride = end & keep ? width : stride_c;
    STRATA_UNROLL for (int i = 0; i < rows; ++i) {
      STRATA_UNROLL for (int j = 0; j < Columns; ++j) store(to + j * lanes, sum[i][j]);
      to += stride;
    }
  }
  using table =
      versions<RowsTile, const T*, std::int64_t, const Span*, int, const T*, const T*, T*, T*, std::int64_t, int, Limits>;
};

template <class T, int Size, int Columns>
struct ListTile {
  static constexpr int rows(int bytes) { return tile_rows(bytes, Size, 2); }  // panels of the left operand are as high
  template <int Bytes>
  STRATA_INLINE static void run(const T* a, int distance, const T* b, const Pair* list, int count, T* c,
                                std::int64_t stride_c, bool add) {
    using vector = detail::vector<T, Bytes>;
    constexpr int rows = ListTile::rows(Bytes), lanes = lanes_of<T, Bytes>, width = Columns * lanes;
    prefetch_tile<T, Bytes, rows, Columns>(c, stride_c);
    vector sum[std::size_t{rows}][std::size_t{Columns}]{};
    for (int k = 0; k < count; ++k) {
      const T* left = a + static_cast<std::int64_t>(list[k].left) * distance;
      const T* right = b + static_cast<std::int64_t>(list[k].right) * width;
      vector r[std::size_t{Columns}];
      STRATA_UNROLL for (int j = 0; j < Columns; ++j) load(r[j], right + j * lanes);
      STRATA_UNROLL for (int i = 0; i < rows; ++i) {
        STRATA_UNROLL for (int j = 0; j < Columns; ++j) sum[i][j] += left[i] * r[j];
      }
    }
    STRATA_UNROLL for (int i = 0; i < rows; ++i) {
      STRATA_UNROLL for (int j = 0; j < Columns; ++j) {
        if (add) {
          vector old;
          load(old, c + j * lanes);
          sum[i][j] += old;
        }
        store(c + j * lanes, sum[i][j]);
      }
      c += stride_c;
    }
  }
  using table = versions<ListTile, const T*, int, const T*, const Pair*, int, T*, std::int64_t, bool>;
};

// The functions of one path, and the sizes that go with it.
template <class T, template <class, int, int> class Tile>
struct TileSet {
  using function = typename Tile<T, 0, 1>::table::function;
  int bytes, lanes, width;
  function run[tile_sizes][2];  // by size, and one or two vectors wide

  explicit TileSet(KernelPath path) : TileSet(path, std::make_integer_sequence<int, tile_sizes>{}) {}

  // The height of a tile of this size that is so many vectors wide.
  [[nodiscard]] int rows(int size, int vectors = 2) const { return heights_[size][vectors - 1]; }
  [[nodiscard]] int tallest() const { return rows(tile_sizes - 1); }
  // The size of the tallest tile of at most `left` rows.
  [[nodiscard]] int fit(int left, int vectors = 2) const {
    int size = tile_sizes - 1;
    while (rows(size, vectors) > left) --size;
    return size;
  }

 private:
  template <int... Size>
  TileSet(KernelPath path, std::integer_sequence<int, Size...>)
      : bytes(bytes_of(path)),
        lanes(bytes / static_cast<int>(sizeof(T))),
        width(2 * lanes),
        run{{Tile<T, Size, 1>::table::of(path), Tile<T, Size, 2>::table::of(path)}...},
        heights_{{Tile<T, Size, 1>::rows(bytes), Tile<T, Size, 2>::rows(bytes)}...} {}

  int heights_[tile_sizes][2];
};

}  // namespace strata::inline STRATA_ABI::cpu::detail
