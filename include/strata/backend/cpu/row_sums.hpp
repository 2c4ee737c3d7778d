// SPDX-License-Identifier: BSL-1.0
// The sums of several tiles of rows (tiles.hpp): what convolutions without im2col and Winograd's products are made of.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu/sizes.hpp>
#include <strata/backend/cpu/tiles.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu::detail {

// Sums over spans for up to rows_at_once rows and panels_at_once panels of a right operand, in blocks of a depth that keeps
// a panel in L1.
template <class T>
class RowSums {
 public:
  // For panels [which.first, which.end), at most panels_at_once.
  RowSums(const TileSet<T, RowsTile>& tiles, const Panels& panels, const T* packed, IndexRange which, T* kept)
      : tiles_(tiles), panels_(panels), packed_(packed), first_(which.first), end_(which.end), kept_(kept) {}

  // The sums of `rows` rows, from `a` in steps of stride_a, to `c` in steps of stride_c.
  void begin(const T* a, std::int64_t stride_a, int rows, T* c, std::int64_t stride_c, bool bias, Limits limits = {}) {
    a_ = a, stride_a_ = stride_a, rows_ = rows, c_ = c, stride_c_ = stride_c;
    first_start_ = start_ = bias ? add_bias : 0, limits_ = limits;
    count_ = depth_ = 0;
    whole_ = true;
  }
  // The same sums of other rows, over the spans that were added before. False if these are not all known any more.
  bool again(const T* a, int rows, T* c) {
    if (!whole_) return false;
    a_ = a, rows_ = rows, c_ = c, start_ = first_start_;
    end();
    return true;
  }
  void add(std::int64_t left, int right, int length) {
    const int pieces = (length + block_k - 1) / block_k, piece = pieces > 1 ? (length + pieces - 1) / pieces : length;
    for (; length > 0; length -= piece, left += piece, right += piece) {
      const int now = std::min(piece, length);
      if (count_ == most_spans || depth_ + now > block_k) flush(keep), count_ = depth_ = 0, whole_ = false;
      spans_[count_++] = {left, right, now};
      depth_ += now;
    }
  }
  void end() { flush(limits_.any() ? limit : 0); }

 private:
  static constexpr int most_spans = 16;

  void flush(int last) {
    for (int p = first_; p < end_; ++p) {
      const int from = p * panels_.width, columns = std::min(panels_.width, panels_.columns - from);
      const int vectors = columns > tiles_.lanes ? 2 : 1, wide = vectors * tiles_.lanes;
      const T* right = packed_ + p * panels_.size();
      const T* bias = right + static_cast<std::int64_t>(panels_.rows) * wide;
      T* kept = kept_ + static_cast<std::int64_t>(p - first_) * rows_at_once * panels_.width;
      // A panel that is not full goes through `kept`.
      const int how = start_ | last | (columns < wide ? keep : 0);
      for (int r = 0; r < rows_;) {
        const int size = tiles_.fit(rows_ - r, vectors);
        tiles_.run[size][vectors - 1](a_ + r * stride_a_, stride_a_, spans_, count_, right, bias, kept + r * wide,
                                      c_ + r * stride_c_ + from, stride_c_, how, limits_);
        r += tiles_.rows(size, vectors);
      }
      if (columns < wide && !(last & keep))
        for (int r = 0; r < rows_; ++r) copy_few(kept + r * wide, columns, c_ + r * stride_c_ + from);
    }
    start_ = add_kept;
  }

  const TileSet<T, RowsTile>& tiles_;
  const Panels panels_;
  const T* packed_;
  int first_, end_;
  T* kept_;
  const T* a_ = nullptr;
  T* c_ = nullptr;
  std::int64_t stride_a_ = 0, stride_c_ = 0;
  int rows_ = 0, first_start_ = 0, start_ = 0, count_ = 0, depth_ = 0;
  bool whole_ = false;  // spans_ has all spans
  Limits limits_;
  Span spans_[most_spans];
};

}  // namespace strata::inline STRATA_ABI::cpu::detail
