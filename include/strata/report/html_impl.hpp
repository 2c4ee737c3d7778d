// SPDX-License-Identifier: BSL-1.0
// The functions of html.hpp.
#pragma once
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include <strata/core/linkage.hpp>
#include <strata/data/bmp.hpp>
#include <strata/report/html.hpp>
#include <strata/util/numbers.hpp>
#include <strata/util/utf8.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

STRATA_DEFINE std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char c = text[0];
    const bool control = static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t';
    if (length == 0 || control || c == 0x7F || text.starts_with("\xEF\xBF\xBE") || text.starts_with("\xEF\xBF\xBF"))
      out += "\xEF\xBF\xBD";
    else if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\'')
      out += "&#39;";
    else
      out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

STRATA_DEFINE std::string class_name(std::span<const std::string> names, int c) {
  const auto i = static_cast<std::size_t>(c);
  return escaped(i < names.size() ? names[i] : std::to_string(c));
}

STRATA_DEFINE std::string fixed(double x, int digits) {
  std::array<char, 400> buffer;  // the largest double has 309 digits before the point
  return {buffer.data(),
          std::to_chars(buffer.data(), buffer.data() + buffer.size(), x, std::chars_format::fixed, digits).ptr};
}

STRATA_DEFINE std::string rounded(double x, int digits) {
  std::array<char, 64> buffer;
  return {buffer.data(),
          std::to_chars(buffer.data(), buffer.data() + buffer.size(), x, std::chars_format::general, digits).ptr};
}

STRATA_DEFINE std::string data_element(double x, const std::string& shown) {
  return "<data value=\"" + number_text(x) + "\">" + shown + "</data>";
}

STRATA_DEFINE std::string base64(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 3; ++k) word = word << 8 | (k < n ? bytes[i + k] : 0U);
    for (std::size_t k = 0; k < 4; ++k) out += k <= n ? digits[word >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

STRATA_DEFINE std::string image_element(const Image& p, int scale, std::string_view alternative) {
  const std::string head = "<img width=\"" + std::to_string(p.width * scale) + "\" height=\"" +
                           std::to_string(p.height * scale) + "\" alt=\"" + escaped(alternative) + "\" src=\"";
  return head + "data:image/bmp;base64," + base64(bmp(p)) + "\"/>";
}

STRATA_DEFINE ChartAxis::ChartAxis(double from, double to, int about, double least_step) {
  if (!(to > from)) {
    const double around = from == 0 ? 1 : std::abs(from) / 10;
    from -= around, to += around;
  }
  const double rough = std::max((to - from) / about, least_step);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  step = power;
  for (const double factor : {2.0, 5.0, 10.0})
    if (step < rough * (1 - 1e-9)) step = factor * power;
  low = std::floor(from / step + 1e-9) * step;
  steps = std::max(1, static_cast<int>(std::ceil((to - low) / step - 1e-9)));
}

STRATA_DEFINE int ChartAxis::digits() const {
  const double largest = std::max(std::abs(tick(0)), std::abs(tick(steps)));
  return std::clamp(static_cast<int>(std::ceil(std::log10(largest / step))) + 1, 4, 15);
}

STRATA_DEFINE bool can_be_drawn(double y) { return std::abs(y) < 1e100; }

STRATA_DEFINE std::string line_chart(std::string_view title, std::string_view x_name, std::span<const Curve> curves) {
  constexpr double left = 70, right = 468, top = 12, bottom = 236;
  constexpr double most = std::numeric_limits<double>::max();
  double x0 = most, x1 = -most, y0 = most, y1 = -most;
  std::size_t points = 0;
  for (const Curve& c : curves)
    for (const auto& [x, y] : c.points) {
      x0 = std::min(x0, x), x1 = std::max(x1, x);
      if (!can_be_drawn(y)) continue;
      y0 = std::min(y0, y), y1 = std::max(y1, y), ++points;
    }
  if (points == 0) throw std::invalid_argument("strata: a chart needs a point");
  const ChartAxis ys(y0, y1, 5);
  const ChartAxis ticks(x0, x1, 6, 1);  // whole numbers; the axis itself ends where the curves do
  const double margin = x1 > x0 ? 0 : 0.5;
  const auto x_of = [&](double x) { return fixed(left + (right - left) * (x - x0 + margin) / (x1 - x0 + 2 * margin), 1); };
  const auto y_of = [&](double y) { return fixed(bottom - (bottom - top) * ys.fraction(y), 1); };

  std::string grid, lines, legend;
  const auto text = [](const std::string& x, const std::string& y, const char* anchor, const std::string& content) {
    return "<text x=\"" + x + "\" y=\"" + y + "\" text-anchor=\"" + anchor + "\">" + content + "</text>";
  };
  for (int i = 0; i <= ys.steps; ++i) {
    const std::string y = y_of(ys.tick(i));
    grid += "<path d=\"M" + fixed(left, 0) + " " + y + "H" + fixed(right, 0) + "\"/>";
    const double value = std::abs(ys.tick(i)) < ys.step / 2 ? 0 : ys.tick(i);
    grid += text(fixed(left - 6, 0), fixed(bottom - (bottom - top) * ys.fraction(ys.tick(i)) + 5, 1), "end",
                 rounded(value, ys.digits()));
  }
  for (int i = 0; i <= ticks.steps; ++i)
    if (const double x = ticks.tick(i); x >= x0 && x <= x1)
      grid += text(x_of(x), fixed(bottom + 19, 0), "middle", rounded(x, 9));
  grid += text(fixed((left + right) / 2, 0), fixed(bottom + 38, 0), "middle", escaped(x_name));
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const std::string colour = "c" + std::to_string(i % 2);
    std::string path, dots;
    bool pen = false;
    for (const auto& [x, y] : curves[i].points) {
      if (!can_be_drawn(y)) {
        pen = false;
        continue;
      }
      path += (pen ? "L" : "M") + x_of(x) + " " + y_of(y);
      pen = true;
      dots += "<circle cx=\"" + x_of(x) + "\" cy=\"" + y_of(y) + "\" r=\"" + (points <= 120 ? "2.5" : "1") + "\"><title>" +
              escaped(curves[i].name) + ", " + escaped(x_name) + " " + rounded(x, 9) + ": " + rounded(y, 5) +
              "</title></circle>";
    }
    lines += "<g class=\"" + colour + "\"><path d=\"" + path + "\"/>" + dots + "</g>";
    if (curves.size() > 1) legend += " <span class=\"key " + colour + "\"></span> " + escaped(curves[i].name);
  }
  return "<figure class=\"chart\"><figcaption><b>" + escaped(title) + "</b>" + legend +
         "</figcaption><svg viewBox=\"0 0 480 280\" role=\"img\" aria-label=\"" + escaped(title) + "\"><g class=\"grid\">" +
         grid + "</g>" + lines + "</svg></figure>\n";
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
