// SPDX-License-Identifier: BSL-1.0
// A file of weights or a checkpoint: tensors with the metadata of their network and checksums. Knows no model.
#pragma once
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

inline void write_weights(const std::filesystem::path& path, std::span<const Tensor> tensors,
                          const std::string& architecture, const std::string& summary,
                          std::map<std::string, std::string> metadata = {}) {
  metadata["strata.architecture"] = architecture;
  metadata["strata.summary"] = summary;
  seal(metadata, tensors);
  save_safetensors(path, tensors, metadata);
}

}  // namespace strata::detail
