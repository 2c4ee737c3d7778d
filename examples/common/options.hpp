// SPDX-License-Identifier: BSL-1.0
// What the command lines of the examples share: what they refuse beside what CLI11 does, since an option that would have no
// effect is a mistake; and what they were.
#pragma once
#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

// Throws where the option was given and does not fit what it was given with.
inline void only_with(const CLI::App& app, const char* option, bool fits, const char* with) {
  if (app.count(option) > 0 && !fits) throw CLI::ValidationError(option, std::string("is for ") + with + " alone");
}

// For paths: "", which a variable that is not set leaves, would be taken for none.
inline CLI::Validator not_empty() {
  return {[](std::string& text) { return text.empty() ? "is empty; expected a path" : ""; }, ""};
}

// CLI11 takes -1, and what is too large, for the largest number there is.
inline CLI::Validator unsigned_64_bits() {
  return {[](std::string& text) {
            std::uint64_t value = 0;
            const char* end = text.data() + text.size();
            const auto [read, error] = std::from_chars(text.data(), end, value);
            return error == std::errc{} && read == end ? "" : text + " is not a whole number from 0 to 2^64 - 1";
          },
          ""};
}

inline CLI::Validator names_a_device() {
  return {[](std::string& text) {
            const bool known = text == "cpu" || text == "cuda" ||
                               (text.starts_with("cuda:") && text.size() > 5 && text.size() < 9 &&
                                text.find_first_not_of("0123456789", 5) == std::string::npos);
            return known ? "" : text + " is neither cpu nor cuda nor cuda:N";
          },
          ""};
}
// The GPU's number; -1: none.
inline int gpu_of(const std::string& device) {
  if (device == "cpu") return -1;
  return device.size() > 5 ? std::stoi(device.substr(5)) : 0;
}

// As a shell would take it again.
inline std::string command_line(int argc, char** argv) {
  constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./=:,+%@";
  std::string line;
  for (int i = 0; i < argc; ++i) {
    std::string word = argv[i];
    if (word.empty() || word.find_first_not_of(plain) != std::string::npos) {
      for (std::size_t at = 0; (at = word.find('\'', at)) != std::string::npos; at += 4) word.replace(at, 1, "'\\''");
      word = "'" + word + "'";
    }
    line += (i > 0 ? " " : "") + word;
  }
  return line;
}
