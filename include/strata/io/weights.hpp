// SPDX-License-Identifier: BSL-1.0
// The parameters of a model as safetensors, with Keras' names and layouts (conv2d_1/kernel: height, width, in, out;
// dense/kernel: in, out).
#pragma once
#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/tensor_info.hpp>
#include <strata/io/safetensors_reader.hpp>
#include <strata/io/safetensors_writer.hpp>
#include <strata/io/weights_file.hpp>
#include <strata/model/fingerprint.hpp>
#include <strata/model/model.hpp>
#include <strata/model/summary_text.hpp>
#include <strata/util/file_error.hpp>

namespace strata::inline STRATA_ABI {

// Writes the tensors, and as metadata the summary of the network ("strata.summary"), its fingerprint
// ("strata.architecture"), checksums ("strata.checksums") and the metadata given. Equal models give equal bytes. The file
// is written completely or not at all. Throws std::system_error or FileError if it cannot be written.
template <class Net, class Backend, class Mode>
void save_weights(Model<Net, Backend, Mode>& model, const std::filesystem::path& path,
                  std::map<std::string, std::string> metadata = {}) {
  static_assert(std::is_same_v<typename Backend::scalar, float>, "strata: files of weights hold float32");
  std::vector<Tensor> tensors;
  model.for_each_tensor([&](const std::string& name, const TensorInfo& info, std::span<float> values) {
    tensors.push_back(detail::tensor_of(name, info, values));
  });
  detail::write_weights(path, tensors, architecture_fingerprint<Net>(),
                        detail::summary_text(detail::summary_numbers<Net>()), std::move(metadata));
}

// Reads a file of save_weights, a checkpoint (the tensors of optimizer and average are ignored), or any file with these
// tensors (then there is no fingerprint and no checksum to compare). Throws FileError if the file cannot be read or is
// damaged, for the first tensor that is missing, has another shape or is not in the network, and if the tensors fit but the
// layers differ. The model is then unchanged.
template <class Net, class Backend, class Mode>
void load_weights(Model<Net, Backend, Mode>& model, SafetensorsFile file) {
  static_assert(std::is_same_v<typename Backend::scalar, float>, "strata: files of weights hold float32");
  detail::WeightsToLoad weights(std::move(file));
  model.for_each_tensor(
      [&](const std::string& name, const TensorInfo& info, std::span<float>) { weights.expect(name, info); });
  weights.read(architecture_fingerprint<Net>());
  model.for_each_tensor([&](const std::string&, const TensorInfo&, std::span<float> values) { weights.next(values); });
}
template <class Net, class Backend, class Mode>
void load_weights(Model<Net, Backend, Mode>& model, const std::filesystem::path& path) {
  load_weights(model, SafetensorsFile(path));
}
// The same from the bytes of such a file in memory; errors give `name` in place of a path. strata_embed_file() of CMake
// puts a file into a program.
template <class Net, class Backend, class Mode>
void load_weights(Model<Net, Backend, Mode>& model, std::span<const std::byte> bytes, const std::filesystem::path& name) {
  load_weights(model, SafetensorsFile(bytes, name));
}

}  // namespace strata::inline STRATA_ABI
