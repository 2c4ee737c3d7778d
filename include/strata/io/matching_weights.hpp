// SPDX-License-Identifier: BSL-1.0
// Fine-tuning begins with the weights of a file that fit: the same body, a new head.
//   const MatchReport report = load_matching_weights(model, "pretrained.safetensors");
//   train(model, data, loss, optimizer, {.groups = {{.tensors = "conv2d*", .frozen = true}}});
#pragma once
#include <strata/core/errors.hpp>
#include <strata/core/linkage.hpp>

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/tensor_info.hpp>
#include <strata/io/safetensors_reader.hpp>
#include <strata/model/matching_weights.hpp>
#include <strata/model/model.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

class MatchingFile {
 public:
  MatchingFile(SafetensorsFile file, const MatchOptions& options);
  void offer(const std::string& name, const TensorInfo& info) { match_.offer(name, info); }
  // Reads all that fits, so that a model changes only if all of it is there.
  MatchReport read();
  void fill(const std::string& name, std::span<float> values) const;

 private:
  SafetensorsFile file_;
  WeightMatch match_;
  std::map<std::string, std::vector<float>> values_;  // by the names of the model
};

}  // namespace detail

// Reads the tensors of a file of save_weights, a checkpoint, or any safetensors file that the network has by the same name
// and in the same shape; the others stay as they are. Throws FileError if the file cannot be read or is damaged, and
// std::invalid_argument for a pattern that fits no tensor of the network and if nothing fits; the model is then unchanged.
// PyTorch's load_state_dict(strict=False), Keras' load_weights(skip_mismatch=True).
template <class Net, class Backend, class Mode>
MatchReport load_matching_weights(Model<Net, Backend, Mode>& model, SafetensorsFile from,
                                  const MatchOptions& options = {}) {
  static_assert(std::is_same_v<typename Backend::scalar, float>, "strata: files of weights hold float32");
  detail::MatchingFile file(std::move(from), options);
  model.for_each_tensor([&](const std::string& name, const TensorInfo& info, std::span<float>) { file.offer(name, info); });
  MatchReport report = file.read();
  model.for_each_tensor(
      [&](const std::string& name, const TensorInfo&, std::span<float> values) { file.fill(name, values); });
  return report;
}
template <class Net, class Backend, class Mode>
MatchReport load_matching_weights(Model<Net, Backend, Mode>& model, const std::filesystem::path& path,
                                  const MatchOptions& options = {}) {
  return load_matching_weights(model, SafetensorsFile(path), options);
}
// The same from the bytes of a file in memory; errors give `name` in place of a path.
template <class Net, class Backend, class Mode>
MatchReport load_matching_weights(Model<Net, Backend, Mode>& model, std::span<const std::byte> bytes,
                                  const std::filesystem::path& name, const MatchOptions& options = {}) {
  return load_matching_weights(model, SafetensorsFile(bytes, name), options);
}

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/io/matching_weights_impl.hpp>
#endif
