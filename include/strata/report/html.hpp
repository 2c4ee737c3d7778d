// SPDX-License-Identifier: BSL-1.0
// Parts of HTML pages: escaped text, numbers, images as data URIs, line charts as SVG. All of it is well-formed XML, so
// that any parser can check it.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/image.hpp>

namespace strata::inline STRATA_ABI {

namespace detail {

// --- Text ---------------------------------------------------------------------------------------------------------------

// Text for elements and attributes. Control characters and bytes that are not UTF-8 become U+FFFD.
std::string escaped(std::string_view text);

// The escaped name of class c, or its number.
std::string class_name(std::span<const std::string> names, int c);

// Rounded to `digits` after the point; independent of the locale.
std::string fixed(double x, int digits);
// Rounded to `digits` significant digits.
std::string rounded(double x, int digits);
// Shown rounded; the attribute has all digits for programs that read the page.
std::string data_element(double x, const std::string& shown);

// --- Images -----------------------------------------------------------------------------------------------------------

std::string base64(std::span<const std::uint8_t> bytes);

// scale: screen pixels for one pixel.
std::string image_element(const Image& p, int scale, std::string_view alternative);

// --- Line charts --------------------------------------------------------------------------------------------------------

struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x increases; the line has a gap where y cannot be drawn
};

// Ticks at multiples of 1, 2 or 5 times a power of ten, about `about` of them, around all of [low, high].
struct ChartAxis {
  double low = 0, step = 1;
  int steps = 1;

  ChartAxis(double from, double to, int about, double least_step = 0);
  [[nodiscard]] double tick(int i) const { return low + i * step; }
  // Enough that no two ticks read the same.
  [[nodiscard]] int digits() const;
  [[nodiscard]] double fraction(double x) const { return (x - low) / (step * steps); }
};

bool can_be_drawn(double y);

// A <figure>. The style sheet gives the colours of the classes c0 and c1. Throws std::invalid_argument if there is no
// point.
std::string line_chart(std::string_view title, std::string_view x_name, std::span<const Curve> curves);

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/report/html_impl.hpp>
#endif
