// SPDX-License-Identifier: BSL-1.0
// Writes safetensors files.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

// One tensor to write: row-major, the last dimension fastest. An empty shape is one number.
struct Tensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<const float> data;
};

// Writes the tensors as F32 in the order given, and the metadata in the order of its keys. Equal arguments give equal
// bytes; no time, machine or path is stored. The file is written completely or not at all. Throws std::invalid_argument for
// names that occur twice, are "__metadata__" or are not UTF-8, and for shapes that do not fit their data; std::system_error
// with the path if writing fails.
void save_safetensors(const std::filesystem::path& path, std::span<const Tensor> tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/io/safetensors_writer_impl.hpp>
#endif
