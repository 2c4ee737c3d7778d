// SPDX-License-Identifier: BSL-1.0
// Files of tests.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

// A folder of one test's own, removed with all that is in it.
struct Folder {
  std::filesystem::path path;
  Folder() {
    std::random_device draw;
    do path = std::filesystem::temp_directory_path() / ("strata-test-" + std::to_string(draw()));
    while (!std::filesystem::create_directory(path));
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

inline std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline std::span<const std::byte> in_memory(std::string_view bytes) { return std::as_bytes(std::span(bytes)); }
inline void put(const std::filesystem::path& file, std::string_view bytes) {
  std::error_code ignored;
  std::filesystem::remove(file, ignored);  // ext4 waits for the disk where a file is emptied and written again
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}
inline void put(const std::filesystem::path& file, const std::vector<std::uint8_t>& bytes) {
  put(file, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}
inline std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}
