// SPDX-License-Identifier: BSL-1.0
// A file of weights or a checkpoint: tensors with the metadata of their network and checksums. Knows no model.
#pragma once
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <strata/io/safetensors_writer.hpp>
#include <strata/io/seal.hpp>

namespace strata::detail {

inline std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "(";
  for (const std::int64_t n : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + ")";
}

// Throws FileError if a file has a tensor of this network not at all (null) or in another shape.
inline void check_tensor(const std::filesystem::path& path, const std::string& name, std::span<const std::int64_t> expected,
                         const std::vector<std::int64_t>* found) {
  if (!found) throw FileError(path, "no tensor " + name + "; this network has one of shape " + shape_text(expected));
  if (!std::equal(found->begin(), found->end(), expected.begin(), expected.end()))
    throw FileError(path, "tensor " + name + " has the shape " + shape_text(*found) + "; expected this network's, " +
                              shape_text(expected));
}
inline void check_architecture(const std::filesystem::path& path, const std::string& found, const std::string& expected) {
  if (found != expected)
    throw FileError(path, "the tensors fit this network, but the layers differ: the architecture is " + found +
                              "; expected " + expected + " (the file's metadata has a summary)");
}

inline void write_weights(const std::filesystem::path& path, std::span<const Tensor> tensors,
                          const std::string& architecture, const std::string& summary,
                          std::map<std::string, std::string> metadata = {}) {
  metadata["strata.architecture"] = architecture;
  metadata["strata.summary"] = summary;
  seal(metadata, tensors);
  save_safetensors(path, tensors, metadata);
}

}  // namespace strata::detail
