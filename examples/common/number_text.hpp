// SPDX-License-Identifier: BSL-1.0
// Numbers as text.
#pragma once
#include <charconv>
#include <string>

// The shortest text that reads back as the same number, in every locale.
inline std::string shortest_text(double x) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, x, std::chars_format::general).ptr};
}
