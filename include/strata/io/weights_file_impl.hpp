// SPDX-License-Identifier: BSL-1.0
// The functions of weights_file.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/io/seal.hpp>
#include <strata/io/weights_file.hpp>
#include <strata/training/run.hpp>
#include <strata/util/file_error.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE void check_tensor(const std::filesystem::path& path, const std::string& name,
                                std::span<const std::int64_t> expected, const std::vector<std::int64_t>* found) {
  if (!found) throw FileError(path, "no tensor " + name + "; this network has one of shape " + shape_text(expected));
  if (!std::equal(found->begin(), found->end(), expected.begin(), expected.end()))
    throw FileError(path, "tensor " + name + " has the shape " + shape_text(*found) + "; expected this network's, " +
                              shape_text(expected));
}

STRATA_DEFINE void check_architecture(const std::filesystem::path& path, const std::string& found,
                                      const std::string& expected) {
  if (found != expected)
    throw FileError(path, "the tensors fit this network, but the layers differ: the architecture is " + found +
                              "; expected " + expected + " (the file's metadata has a summary)");
}

STRATA_DEFINE void write_weights(const std::filesystem::path& path, std::span<const Tensor> tensors,
                                 const std::string& architecture, const std::string& summary,
                                 std::map<std::string, std::string> metadata) {
  metadata["strata.architecture"] = architecture;
  metadata["strata.summary"] = summary;
  seal(metadata, tensors);
  save_safetensors(path, tensors, metadata);
}

STRATA_DEFINE Tensor tensor_of(const std::string& name, const TensorInfo& info, std::span<const float> values) {
  return {name, {info.shape.begin(), info.shape.begin() + info.rank}, values};
}

STRATA_DEFINE void WeightsToLoad::expect(const std::string& name, std::span<const std::int64_t> shape) {
  const SafetensorsEntry* entry = file_.find(name);
  check_tensor(file_.path(), name, shape, entry ? &entry->shape : nullptr);
  names_.push_back(name);
}

STRATA_DEFINE void WeightsToLoad::read(const std::string& architecture) {
  for (const SafetensorsEntry& entry : file_.tensors())
    if (!of_training(entry.name) && std::find(names_.begin(), names_.end(), entry.name) == names_.end())
      throw FileError(file_.path(), "tensor " + entry.name + " is not in this network");
  const auto fingerprint = file_.metadata().find("strata.architecture");
  if (fingerprint != file_.metadata().end()) check_architecture(file_.path(), fingerprint->second, architecture);
  const Seal seal(file_);
  for (const std::string& name : names_) {
    values_.push_back(file_.read<float>(name));
    seal.check(name, file_.find(name)->shape, values_.back());
  }
}

STRATA_DEFINE void WeightsToLoad::next(std::span<float> values) {
  const std::vector<float>& from = values_[next_++];
  std::copy(from.begin(), from.end(), values.begin());
}

}  // namespace strata::inline STRATA_ABI::detail
