// SPDX-License-Identifier: BSL-1.0
// Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011). A number is a function of (seed, purpose, layer, step, element): it is the same for any number of threads,
// after a resume and on any backend, and there is no state to save.
#pragma once
#include <array>
#include <cstdint>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

// One round of Philox multiplies two words, swaps halves and adds the key, which grows by Weyl constants.
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t left = std::uint64_t{0xD2511F53} * counter[0], right = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(right >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(right),
               static_cast<std::uint32_t>(left >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(left)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

enum class Purpose : std::uint32_t { initialize, dropout, shuffle, augment, user };

// The numbers of one purpose, layer and step; `element` picks one of them.
class Random {
 public:
  constexpr Random(std::uint64_t seed, Purpose purpose, std::uint32_t layer = 0, std::uint64_t step = 0)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        step_(static_cast<std::uint32_t>(step)),
        // 4 bits of purpose, 12 of the step's upper half, 16 of the layer.
        tag_(static_cast<std::uint32_t>(purpose) << 28 | (static_cast<std::uint32_t>(step >> 32) & 0xFFF) << 16 |
             (layer & 0xFFFF)) {}

  // The same numbers, with elements counted from this one.
  [[nodiscard]] constexpr Random from(std::uint64_t element) const {
    Random later = *this;
    later.first_ += element;
    return later;
  }
  // Words 4 * block .. 4 * block + 3 at once.
  [[nodiscard]] constexpr std::array<std::uint32_t, 4> block(std::uint64_t index) const {
    const auto low = aligned(index + first_ / 4);
    if (first_ % 4 == 0) return low;
    const auto high = aligned(index + first_ / 4 + 1);
    std::array<std::uint32_t, 4> words{};
    for (std::uint64_t i = 0; i < 4; ++i) {
      const std::uint64_t at = first_ % 4 + i;
      words[i] = at < 4 ? low[at] : high[at - 4];
    }
    return words;
  }
  [[nodiscard]] constexpr std::uint32_t bits(std::uint64_t element) const { return block(element / 4)[element % 4]; }

  // In [0, 1), 24 bits.
  [[nodiscard]] constexpr float uniform(std::uint64_t element) const { return to_uniform(bits(element)); }
  [[nodiscard]] static constexpr float to_uniform(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

  // In [0, n), by multiplication (Lemire). The bias, n / 2^32, is too small to matter here.
  [[nodiscard]] constexpr std::uint32_t below(std::uint32_t n, std::uint64_t element) const {
    return static_cast<std::uint32_t>((std::uint64_t{bits(element)} * n) >> 32);
  }

 private:
  [[nodiscard]] constexpr std::array<std::uint32_t, 4> aligned(std::uint64_t index) const {
    return philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), step_, tag_}, key_);
  }

  std::array<std::uint32_t, 2> key_;
  std::uint32_t step_;
  std::uint32_t tag_;
  std::uint64_t first_ = 0;
};

}  // namespace strata::inline STRATA_ABI
