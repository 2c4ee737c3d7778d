// SPDX-License-Identifier: BSL-1.0
// Finds out before an hour of training, not after it, that its result cannot be written.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <string>

// Throws std::runtime_error if this file cannot be written. An empty name is accepted.
inline void check_can_be_written(const std::string& file) {
  namespace fs = std::filesystem;
  if (file.empty()) return;
  const fs::path folder = fs::absolute(file).parent_path();
  if (!fs::is_directory(folder)) throw std::runtime_error(file + ": there is no folder " + folder.string());
  if (fs::is_directory(file)) throw std::runtime_error(file + ": this is a folder; expected a file name");
  if (access(folder.c_str(), W_OK) != 0) throw std::runtime_error(file + ": its folder cannot be written to");
}
