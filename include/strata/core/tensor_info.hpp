// SPDX-License-Identifier: BSL-1.0
// What a layer keeps between steps: names, shapes and initial values. Initialization and files read it.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

enum class Role { weight, bias, scale, shift, running_mean, running_variance, slope };

constexpr const char* name_of(Role role) {
  switch (role) {
    case Role::weight:
      return "weight";
    case Role::bias:
      return "bias";
    case Role::scale:
      return "scale";
    case Role::shift:
      return "shift";
    case Role::running_mean:
      return "running_mean";
    case Role::running_variance:
      return "running_variance";
    case Role::slope:
      return "slope";
  }
  return "";
}

// How a backend may arrange a tensor in memory. The weights of a convolution are (KH,KW,C/groups,F) on the host; a backend
// may keep the filters first.
enum class TensorLayout { plain, filters };

struct TensorInfo {
  const char* name = "";  // Keras' name within the layer
  Role role = Role::weight;
  std::array<std::int64_t, 4> shape{};
  int rank = 0;
  // Keras' fans of a kernel: kernel area times channels in, out. A bias has those of its layer's kernel.
  std::int64_t fan_in = 0, fan_out = 0;
  TensorLayout layout = TensorLayout::plain;
  std::int64_t groups = 1;  // of a convolution

  [[nodiscard]] constexpr std::int64_t size() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= shape[static_cast<std::size_t>(i)];
    return n;
  }
  // State is not trained; it follows the batches.
  [[nodiscard]] constexpr bool trainable() const { return role != Role::running_mean && role != Role::running_variance; }
};

// A trainable tensor of a network, by its name in files: conv2d_1/kernel.
struct ParameterTensor {
  std::string name;
  TensorInfo info;
  std::int64_t offset = 0;  // elements from the first parameter
};

}  // namespace strata::inline STRATA_ABI
