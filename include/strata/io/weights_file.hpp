// SPDX-License-Identifier: BSL-1.0
// A file of weights or a checkpoint: tensors with the metadata of their network and checksums. Knows no model.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/tensor_info.hpp>
#include <strata/io/safetensors_reader.hpp>
#include <strata/io/safetensors_writer.hpp>
#include <strata/model/matching_weights.hpp>

namespace strata::inline STRATA_ABI::detail {

// Throws FileError if a file has a tensor of this network not at all (null) or in another shape.
void check_tensor(const std::filesystem::path& path, const std::string& name, std::span<const std::int64_t> expected,
                  const std::vector<std::int64_t>* found);
void check_architecture(const std::filesystem::path& path, const std::string& found, const std::string& expected);

void write_weights(const std::filesystem::path& path, std::span<const Tensor> tensors, const std::string& architecture,
                   const std::string& summary, std::map<std::string, std::string> metadata = {});

Tensor tensor_of(const std::string& name, const TensorInfo& info, std::span<const float> values);

// The tensors of a file on their way into a model: expect() each of the model's, read(), then next() for each. Throws
// FileError.
class WeightsToLoad {
 public:
  explicit WeightsToLoad(SafetensorsFile file) : file_(std::move(file)) {}

  void expect(const std::string& name, std::span<const std::int64_t> shape);
  void expect(const std::string& name, const TensorInfo& info) {
    expect(name, std::span(info.shape).first(static_cast<std::size_t>(info.rank)));
  }
  // Reads everything, so that a model changes only if all of it is there.
  void read(const std::string& architecture);
  void next(std::span<float> values);

 private:
  SafetensorsFile file_;
  std::vector<std::string> names_;
  std::vector<std::vector<float>> values_;
  std::size_t next_ = 0;
};

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/io/weights_file_impl.hpp>
#endif
