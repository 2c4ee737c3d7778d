// SPDX-License-Identifier: BSL-1.0
// Shape: the shape of one sample between two layers. The batch is never part of it.
#pragma once
#include <compare>
#include <cstdint>

namespace strata {

// Shape{height, width, channels} is a feature map, stored (H,W,C); Shape{n} is a flat vector.
// The two never compare equal, so that a Dense on a map is an error instead of a silent flatten.
struct Shape {
  int height = 0;
  int width = 0;
  int channels = 0;
  bool flat = false;

  constexpr Shape() = default;
  constexpr explicit Shape(int n) : height(1), width(1), channels(n), flat(true) {}
  constexpr Shape(int h, int w, int c) : height(h), width(w), channels(c) {}
  // All members; nvcc writes a Shape that is a template argument in this way.
  constexpr Shape(int h, int w, int c, bool is_flat) : height(h), width(w), channels(c), flat(is_flat) {}

  // Elements of one sample.
  [[nodiscard]] constexpr std::int64_t size() const { return static_cast<std::int64_t>(height) * width * channels; }
  // Both are written out: under nvcc the == that <=> implies is not constexpr.
  friend constexpr bool operator==(const Shape&, const Shape&) = default;
  friend constexpr auto operator<=>(const Shape&, const Shape&) = default;
};

inline namespace literals {
// Sizes in bytes: 6_GiB.
constexpr std::int64_t operator""_KiB(unsigned long long n) { return static_cast<std::int64_t>(n) << 10; }
constexpr std::int64_t operator""_MiB(unsigned long long n) { return static_cast<std::int64_t>(n) << 20; }
constexpr std::int64_t operator""_GiB(unsigned long long n) { return static_cast<std::int64_t>(n) << 30; }
}  // namespace literals

}  // namespace strata
