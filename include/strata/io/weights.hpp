// SPDX-License-Identifier: BSL-1.0
// A model's parameters to and from safetensors, under Keras' names and layouts (conv2d_1/kernel: height, width, in, out).
#pragma once
#include <map>
#include <string>
#include <vector>

#include <strata/core/summary.hpp>
#include <strata/io/safetensors.hpp>
#include <strata/model/model.hpp>

namespace strata {

// The tensors and nothing else; the network's summary goes into the metadata. Equal models give equal bytes. Throws
// std::system_error where the file cannot be written.
template <class Net, class Mode>
void save_weights(Model<Net, Cpu, Mode>& model, const std::filesystem::path& path,
                  std::map<std::string, std::string> metadata = {}) {
  std::vector<Tensor> tensors;
  model.for_each_tensor([&](const std::string& name, const TensorInfo& info, std::span<float> values) {
    tensors.push_back({name, {info.shape.begin(), info.shape.begin() + info.rank}, values});
  });
  metadata["strata.summary"] = std::string(summary<Net>());
  save_safetensors(path, tensors, metadata);
}

// Throws FileError naming the first tensor that is missing or of another shape; the model is then as it was.
template <class Net, class Mode>
void load_weights(Model<Net, Cpu, Mode>& model, const std::filesystem::path& path) {
  SafetensorsFile file(path);
  std::vector<std::vector<float>> read;
  model.for_each_tensor([&](const std::string& name, const TensorInfo& info, std::span<float>) {
    const SafetensorsEntry* entry = file.find(name);
    const std::vector<std::int64_t> shape(info.shape.begin(), info.shape.begin() + info.rank);
    if (!entry) throw FileError(path, "has no tensor " + name + ", which this network needs");
    if (entry->shape != shape) throw FileError(path, "tensor " + name + " has another shape than this network's");
    read.push_back(file.read<float>(name));
  });
  if (file.tensors().size() != read.size())
    throw FileError(
        path, "has " + std::to_string(file.tensors().size()) + " tensors; this network has " + std::to_string(read.size()));
  std::size_t i = 0;
  model.for_each_tensor([&](const std::string&, const TensorInfo&, std::span<float> values) {
    std::copy(read[i].begin(), read[i].end(), values.begin());
    ++i;
  });
}

}  // namespace strata
