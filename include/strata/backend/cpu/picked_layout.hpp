// SPDX-License-Identifier: BSL-1.0
// Sizes of the backward pass of a convolution before a max pool (conv_pool.hpp).
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu::detail {

// Vectors at once: 13 sums, a gradient and one load take 15 of 16 registers. More are cut into equal parts. Only a few
// sizes are compiled, because each costs every user compile time.
inline constexpr int most_vectors = 13;
constexpr int parts_of(int vectors) { return (vectors + most_vectors - 1) / most_vectors; }
constexpr int at_once(int vectors) {
  const int each = (vectors + parts_of(vectors) - 1) / parts_of(vectors);
  return each > 10 ? most_vectors : (each + 1) / 2 * 2;
}

// The layout of the work for one vector width. The map of a sample is copied with its padding, in blocks of as many
// channels as a vector holds: (block, row, column, channel). A vector is then one tap of one block. If there are few
// channels they stay together, and vectors go along a kernel row.
struct PickedLayout {
  bool merged;
  int block;                 // channels in a block of the padded map
  int blocks;                // of channels
  int height, width;         // padded
  int vectors, each, parts;  // of a filter in one block: vectors, vectors of a part, parts
  int lanes;
  std::int64_t map;  // elements of one sample and block
  int samples;       // as many maps as fit the first-level cache

  constexpr PickedLayout(const Geometry& g, int lanes_, int bytes_of_number, int batch)
      : merged(g.in.channels < 16),
        block(merged ? g.in.channels : lanes_),
        blocks(merged ? 1 : (g.in.channels + lanes_ - 1) / lanes_),
        height(g.window.pad_top + g.in.height + g.window.pad_bottom),
        width(g.window.pad_left + g.in.width + g.window.pad_right),
        vectors(g.window.kernel_h *
                (merged ? (g.window.kernel_w * g.in.channels + lanes_ - 1) / lanes_ : g.window.kernel_w)),
        each(at_once(vectors)),
        parts(parts_of(vectors)),
        lanes(lanes_),
        map(static_cast<std::int64_t>(height) * width * block),
        samples(static_cast<int>(std::clamp<std::int64_t>(24576 / (map * bytes_of_number), 1, batch))) {}

  // Elements of one filter in one block.
  [[nodiscard]] constexpr std::int64_t filter() const { return static_cast<std::int64_t>(each) * parts * lanes; }
  // The elements of all samples, plus those that the last vector reads past the end.
  [[nodiscard]] constexpr std::int64_t maps() const { return samples * map + lanes; }
  // Where vector i begins, from the window's corner. Vectors that only fill up a part repeat the last one.
  [[nodiscard]] int offset(const Window& w, int i) const {
    i = std::min(i, vectors - 1);
    const int in_row = vectors / w.kernel_h, row = i / in_row * w.dilation_h * width;
    return merged ? row * block + i % in_row * lanes : (row + i % in_row * w.dilation_w) * block;
  }
  // Calls f(lane of a filter's elements, row of w) for each real element.
  template <class F>
  void for_weights(const Geometry& g, int at_block, F&& f) const {
    const int in_row = vectors / g.window.kernel_h;
    for (int i = 0; i < vectors; ++i)
      for (int lane = 0; lane < lanes; ++lane) {
        const int within = merged ? i % in_row * lanes + lane : at_block * block + lane;
        if (within >= (merged ? g.window.kernel_w * g.in.channels : g.in.channels)) break;
        const int row = merged ? i / in_row * g.window.kernel_w * g.in.channels + within : i * g.in.channels + within;
        f(i * lanes + lane, row);
      }
  }
};

// Filters of a task of the weights' gradient: fewer if there are few blocks of channels, so that there are enough tasks.
constexpr int filters_at_once(const Geometry& g, const PickedLayout& l) {
  const int shares = std::max(1, 8 / l.blocks);
  return (g.out.channels + shares - 1) / shares;
}

template <class T>
constexpr std::int64_t picked_scratch_with(const Geometry& g, int lanes, int batch, int threads) {
  const PickedLayout l(g, lanes, static_cast<int>(sizeof(T)), batch);
  constexpr int slack = 64 / static_cast<int>(sizeof(T));
  const std::int64_t shared = static_cast<std::int64_t>(l.blocks) * g.out.channels * l.filter();
  const std::int64_t weights = l.maps() + filters_at_once(g, l) * l.filter() + 2 * slack;
  return l.each * l.parts + shared + 2 * slack + threads * weights;
}

}  // namespace strata::inline STRATA_ABI::cpu::detail
