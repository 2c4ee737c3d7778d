// SPDX-License-Identifier: BSL-1.0
// Parameter groups: factors for learning rate and weight decay, and frozen tensors, chosen by name or role.
//   {.groups = {no_decay_of_biases_and_norms(), {.tensors = "conv2d*", .frozen = true}}}
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/tensor_info.hpp>

namespace strata::inline STRATA_ABI {

// Applies to the tensors whose name fits the pattern and whose role is listed. A tensor in several groups gets the product
// of their factors, and is frozen if one of them says so. A frozen tensor is not updated; its gradient is not clipped and
// does not count in the norm.
struct ParameterGroup {
  std::string tensors = "*";  // names as in files (conv2d_1/kernel); * stands for any characters, ? for one
  std::vector<Role> roles{};  // empty: all
  double learning_rate = 1;   // factor
  double weight_decay = 1;    // factor
  bool frozen = false;

  // Throws std::invalid_argument for a factor that is negative or not finite.
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// Weight decay for kernels alone, as most recipes want it.
[[nodiscard]] ParameterGroup no_decay_of_biases_and_norms();

namespace detail {

// Neighbouring parameters with the same factors.
struct ParameterRange {
  std::int64_t first = 0, count = 0;
  double learning_rate = 1, weight_decay = 1;
  bool frozen = false;
};

// The ranges of all tensors, in order; tensors that go together are one range unless each_tensor. Throws
// std::invalid_argument for a group that is invalid or fits no tensor.
std::vector<ParameterRange> parameter_ranges(std::span<const ParameterTensor> tensors,
                                             std::span<const ParameterGroup> groups, bool each_tensor);

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/optimizers/parameter_groups_impl.hpp>
#endif
