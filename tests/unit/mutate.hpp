// SPDX-License-Identifier: BSL-1.0
// What happens to files, and what people do to them on purpose: drawn from a seed, so that a failure comes back.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <strata/util/random.hpp>

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed, strata::Purpose::user) {}

  // In [0, n).
  std::size_t below(std::size_t n) { return random_.below(static_cast<std::uint32_t>(n), draw_++); }

  // `good` after one to three mutations. Half of them fall on the first `header` bytes, where formats keep what counts.
  std::string operator()(std::string_view good, std::size_t header = 64) {
    std::string bytes(good);
    for (std::size_t n = 1 + below(3); n > 0; --n) mutate(bytes, header);
    return bytes;
  }

  static std::string flipped(std::string bytes, std::size_t at, unsigned bit) {
    bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ 1u << bit);
    return bytes;
  }

 private:
  void mutate(std::string& bytes, std::size_t header) {
    if (bytes.empty()) return;
    const std::size_t at = below(below(2) == 0 ? bytes.size() : std::min(header, bytes.size()));
    const std::size_t some = 1 + below(16);
    switch (below(7)) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
      case 2:
        bytes = flipped(std::move(bytes), at, static_cast<unsigned>(below(8)));
        break;
      case 3: {  // a length: nothing, all ones, the largest and the smallest with a sign, one; of one to eight bytes
        constexpr std::array<std::array<unsigned char, 2>, 5> ends{
            {{0x00, 0x00}, {0xFF, 0xFF}, {0x7F, 0xFF}, {0x80, 0x00}, {0x00, 0x01}}};
        const auto end = ends[below(ends.size())];
        const std::size_t size = std::min(std::size_t{1} << below(4), bytes.size() - at);
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), size, static_cast<char>(end[1]));
        bytes[below(2) == 0 ? at : at + size - 1] = static_cast<char>(end[0]);  // of either byte order
        break;
      }
      case 4: {  // inserted
        std::string more;
        for (std::size_t i = 0; i < some; ++i) more += static_cast<char>(below(256));
        bytes.insert(at, more);
        break;
      }
      case 5:
        bytes.erase(at, some);
        break;
      default:  // what stands somewhere else
        bytes.insert(at, bytes.substr(below(bytes.size()), some));
    }
  }

  strata::Random random_;
  std::uint64_t draw_ = 0;
};
