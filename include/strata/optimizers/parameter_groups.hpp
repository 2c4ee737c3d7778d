// SPDX-License-Identifier: BSL-1.0
// Parameter groups: factors for learning rate and weight decay, and frozen tensors, chosen by name or role.
//   {.groups = {no_decay_of_biases_and_norms(), {.tensors = "conv2d*", .frozen = true}}}
// An update of SGD subtracts rate * weight_decay * w, so a group whose rate is 64 times as high and whose decay is to stay
// the same in each step has {.learning_rate = 64, .weight_decay = 1.0 / 64}.
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
// of their factors, and is frozen if, and as soon as, one of them says so. A frozen tensor is not updated; its gradient is
// not clipped and does not count in the norm. Frozen from the start it is PyTorch's requires_grad = False and Keras'
// trainable = False, but BatchNorm's statistics follow the batches.
struct ParameterGroup {
  std::string tensors = "*";  // names as in files (conv2d_1/kernel); * stands for any characters, ? for one
  std::vector<Role> roles{};  // empty: all
  double learning_rate = 1;   // factor
  double weight_decay = 1;    // factor
  bool frozen = false;
  int trained_epochs = 0;            // above 0: frozen after so many epochs
  std::int64_t trained_updates = 0;  // above 0: frozen after so many updates

  // Throws std::invalid_argument for a factor that is negative or not finite, and for negative or contradicting lengths.
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
  bool frozen = false;  // now
  bool always_frozen = false;
  std::int64_t trained_epochs = 0, trained_updates = 0;  // 0: no end
  [[nodiscard]] bool same_factors(const ParameterRange& other) const;
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
