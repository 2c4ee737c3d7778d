// SPDX-License-Identifier: BSL-1.0
// architecture_fingerprint<Net>(): tells networks apart.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <strata/core/diagnose.hpp>
#include <strata/util/checksum.hpp>

namespace strata {
namespace detail {

// FNV-1a, 64 bits.
struct Fnv {
  std::uint64_t hash = 0xcbf29ce484222325;
  constexpr Fnv& byte(unsigned b) {
    hash = (hash ^ b) * 0x100000001b3;
    return *this;
  }
  constexpr Fnv& text(std::string_view s) {
    for (const char c : s) byte(static_cast<unsigned char>(c));
    return byte(0);
  }
  constexpr Fnv& number(std::int64_t n) {
    for (int shift = 0; shift < 64; shift += 8) byte(static_cast<std::uint64_t>(n) >> shift & 255);
    return *this;
  }
};

template <class N>
constexpr std::string_view name_of_node() {
  if constexpr (node<N>::kind == Kind::layer || node<N>::kind == Kind::join) {
    if constexpr (requires { std::string_view(node<N>::layer::name); }) return node<N>::layer::name;
  }
  return {};
}

// Numbers that change the results of a layer but not its shape, such as the slope of a LeakyReLU.
template <class N>
constexpr std::span<const double> numbers_of_node() {
  if constexpr (requires { std::span<const double>(node<N>::layer::numbers); }) return node<N>::layer::numbers;
  return {};
}

template <class Nodes>
struct fingerprint_of;
template <class... Nodes>
struct fingerprint_of<List<Nodes...>> {
  static constexpr std::uint64_t value(const auto& table) {
    constexpr std::array<std::string_view, sizeof...(Nodes) + 1> names{name_of_node<Nodes>()..., std::string_view{}};
    constexpr std::array<std::span<const double>, sizeof...(Nodes) + 1> numbers{numbers_of_node<Nodes>()...,
                                                                                std::span<const double>{}};
    Fnv f;
    for (std::size_t i = 0; i < sizeof...(Nodes); ++i) {
      const Row& row = table.rows[i];
      if (names[i] == "Dropout") continue;
      const Window& w = row.step.window;
      f.number(static_cast<int>(row.kind)).text(names[i]).number(row.step.parameters);
      for (const int n :
           {row.out.flat ? 1 : 0, row.out.height, row.out.width, row.out.channels, w.kernel_h, w.kernel_w, w.stride_h,
            w.stride_w, w.dilation_h, w.dilation_w, w.pad_top, w.pad_bottom, w.pad_left, w.pad_right})
        f.number(n);
      for (const double x : numbers[i]) f.number(std::bit_cast<std::int64_t>(x));
    }
    return f.hash;
  }
};

}  // namespace detail

// Sixteen hexadecimal digits, equal for networks with the same layers, numbers, windows and shapes. Dropout does not count,
// since it does nothing outside of training. For telling files apart; not a protection against forgery.
template <class Net>
[[nodiscard]] std::string architecture_fingerprint() {
  constexpr auto hash = detail::fingerprint_of<typename detail::analysed<Net>::nodes>::value(detail::analysed<Net>::table);
  return detail::hex_digits(hash);
}

}  // namespace strata
