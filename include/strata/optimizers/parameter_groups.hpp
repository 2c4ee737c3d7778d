// SPDX-License-Identifier: BSL-1.0
// Parameter groups: factors for learning rate and weight decay, and frozen tensors, chosen by name or role.
//   {.groups = {no_decay_of_biases_and_norms(), {.tensors = "conv2d*", .frozen = true}}}
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <strata/core/tensor_info.hpp>
#include <strata/util/numbers.hpp>

namespace strata {

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
  void validate() const {
    detail::check_not_negative("the learning rate factor of the parameter group " + tensors, learning_rate);
    detail::check_not_negative("the weight decay factor of the parameter group " + tensors, weight_decay);
  }
  [[nodiscard]] std::string describe() const {
    std::string text = "{tensors " + tensors + ", roles";
    for (const Role role : roles) text += " " + std::to_string(static_cast<int>(role));
    return text + ", learning_rate " + detail::number_text(learning_rate) + ", weight_decay " +
           detail::number_text(weight_decay) + (frozen ? ", frozen}" : "}");
  }
};

// Weight decay for kernels alone, as most recipes want it.
[[nodiscard]] inline ParameterGroup no_decay_of_biases_and_norms() {
  return {.roles = {Role::bias, Role::scale, Role::shift}, .weight_decay = 0};
}

namespace detail {

// * stands for any characters, ? for one.
inline bool matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  const std::string_view rest = pattern.substr(1);
  if (pattern[0] == '*') return matches(rest, text) || (!text.empty() && matches(pattern, text.substr(1)));
  return !text.empty() && (pattern[0] == '?' || pattern[0] == text[0]) && matches(rest, text.substr(1));
}

// Neighbouring parameters with the same factors.
struct ParameterRange {
  std::int64_t first = 0, count = 0;
  double learning_rate = 1, weight_decay = 1;
  bool frozen = false;
};

inline bool fits(const ParameterGroup& group, const ParameterTensor& tensor) {
  const std::vector<Role>& roles = group.roles;
  return matches(group.tensors, tensor.name) &&
         (roles.empty() || std::find(roles.begin(), roles.end(), tensor.info.role) != roles.end());
}

inline ParameterRange range_of(const ParameterTensor& tensor, std::span<const ParameterGroup> groups) {
  ParameterRange range{.first = tensor.offset, .count = tensor.info.size()};
  for (const ParameterGroup& g : groups) {
    if (!fits(g, tensor)) continue;
    range.learning_rate *= g.learning_rate, range.weight_decay *= g.weight_decay;
    range.frozen = range.frozen || g.frozen;
  }
  return range;
}

// The ranges of all tensors, in order; tensors that go together are one range unless each_tensor. Throws
// std::invalid_argument for a group that is invalid or fits no tensor.
inline std::vector<ParameterRange> parameter_ranges(std::span<const ParameterTensor> tensors,
                                                    std::span<const ParameterGroup> groups, bool each_tensor) {
  for (const ParameterGroup& g : groups) {
    g.validate();
    if (std::any_of(tensors.begin(), tensors.end(), [&](const ParameterTensor& t) { return fits(g, t); })) continue;
    std::string names;
    for (const ParameterTensor& t : tensors) names += (names.empty() ? "" : ", ") + t.name;
    throw std::invalid_argument("strata: the parameter group " + g.describe() + " fits no tensor; this network's are " +
                                names);
  }
  std::vector<ParameterRange> ranges;
  for (const ParameterTensor& tensor : tensors) {
    const ParameterRange next = range_of(tensor, groups);
    if (!each_tensor && !ranges.empty()) {
      ParameterRange& last = ranges.back();
      if (last.learning_rate == next.learning_rate && last.weight_decay == next.weight_decay &&
          last.frozen == next.frozen) {
        last.count += next.count;
        continue;
      }
    }
    ranges.push_back(next);
  }
  return ranges;
}

}  // namespace detail
}  // namespace strata
