// SPDX-License-Identifier: BSL-1.0
// Checksums in the metadata of safetensors files: one line for the other metadata and one for each tensor, so that a bit
// that a disk changed is detected and located. They do not protect against deliberate changes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/io/safetensors.hpp>
#include <strata/util/checksum.hpp>
#include <strata/util/file_error.hpp>

namespace strata::inline STRATA_ABI::detail {

inline std::string checksum_of(const std::string& name, const std::vector<std::int64_t>& shape,
                               std::span<const float> values) {
  Checksum sum;
  sum.text(name).bytes(std::as_bytes(std::span(shape)));
  return sum.bytes(std::as_bytes(values)).digits();
}

inline constexpr const char* checksums_key = "strata.checksums";

inline std::string checksum_of(const std::map<std::string, std::string>& metadata) {
  Checksum sum;
  for (const auto& [key, value] : metadata)
    if (key != checksums_key) sum.text(key).text(value);
  return sum.digits();
}

// Adds the checksums. Neither metadata nor tensors may change afterwards.
inline void seal(std::map<std::string, std::string>& metadata, std::span<const Tensor> tensors) {
  std::string lines = checksum_of(metadata) + " " + std::string(safetensors_metadata) + "\n";
  for (const Tensor& t : tensors) lines += checksum_of(t.name, t.shape, t.data) + " " + t.name + "\n";
  metadata[checksums_key] = lines;
}

// The checksums of a file. A file without checksums, as other programs write it, passes all checks.
class Seal {
 public:
  // Throws FileError if the checksums are unreadable or the metadata differ.
  explicit Seal(const SafetensorsFile& file) : path_(file.path()) {
    const auto found = file.metadata().find(checksums_key);
    if (found == file.metadata().end()) return;
    exists_ = true;
    std::string_view text = found->second;
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      if (end == std::string_view::npos || end < 18 || text[16] != ' ')
        throw FileError(path_, "the metadata " + std::string(checksums_key) + " is damaged");
      sums_.emplace(text.substr(17, end - 17), text.substr(0, 16));
      text.remove_prefix(end + 1);
    }
    compare(std::string(safetensors_metadata), checksum_of(file.metadata()));
  }
  [[nodiscard]] bool exists() const { return exists_; }
  // Throws FileError if the tensor differs from the one written.
  void check(const std::string& name, const std::vector<std::int64_t>& shape, std::span<const float> values) const {
    if (exists_) compare(name, checksum_of(name, shape, values));
  }
  // Throws FileError for the first missing tensor.
  void check_complete(const SafetensorsFile& file) const {
    for (const auto& [name, sum] : sums_)
      if (name != safetensors_metadata && !file.find(name))
        throw FileError(path_, "no tensor " + name + ", but its checksum: the file is damaged");
  }

 private:
  void compare(const std::string& name, const std::string& found) const {
    const std::string what = name == safetensors_metadata ? "the metadata" : "tensor " + name;
    const auto expected = sums_.find(name);
    if (expected == sums_.end()) throw FileError(path_, what + " has no checksum, but others do: the file is damaged");
    if (expected->second != found)
      throw FileError(path_, what + " is damaged: its checksum is " + found + "; expected " + expected->second);
  }

  std::filesystem::path path_;
  bool exists_ = false;
  std::map<std::string, std::string> sums_;
};

}  // namespace strata::inline STRATA_ABI::detail
