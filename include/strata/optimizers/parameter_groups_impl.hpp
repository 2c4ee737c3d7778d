// SPDX-License-Identifier: BSL-1.0
// The functions of parameter_groups.hpp.
#pragma once
#include <algorithm>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/optimizers/parameter_groups.hpp>
#include <strata/util/numbers.hpp>
#include <strata/util/pattern.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE void ParameterGroup::validate() const {
  detail::check_not_negative("the learning rate factor of the parameter group " + tensors, learning_rate);
  detail::check_not_negative("the weight decay factor of the parameter group " + tensors, weight_decay);
  if (trained_epochs < 0 || trained_updates < 0 || (trained_epochs > 0 && trained_updates > 0) ||
      (frozen && (trained_epochs > 0 || trained_updates > 0)))
    throw std::invalid_argument("strata: the parameter group " + describe() +
                                ": expected at most one of frozen, trained_epochs and trained_updates, none negative");
}

STRATA_DEFINE std::string ParameterGroup::describe() const {
  std::string text = "{tensors " + tensors + ", roles";
  if (roles.empty()) text += " all";
  for (const Role role : roles) text += std::string(" ") + name_of(role);
  return text + ", learning_rate " + detail::number_text(learning_rate) + ", weight_decay " +
         detail::number_text(weight_decay) + (frozen ? ", frozen" : "") +
         (trained_epochs != 0 ? ", trained_epochs " + std::to_string(trained_epochs) : "") +
         (trained_updates != 0 ? ", trained_updates " + std::to_string(trained_updates) : "") + "}";
}

STRATA_DEFINE ParameterGroup no_decay_of_biases_and_norms() {
  return {.roles = {Role::bias, Role::scale, Role::shift, Role::slope}, .weight_decay = 0};
}

namespace detail {

STRATA_DEFINE bool fits(const ParameterGroup& group, const ParameterTensor& tensor) {
  const std::vector<Role>& roles = group.roles;
  return matches(group.tensors, tensor.name) &&
         (roles.empty() || std::find(roles.begin(), roles.end(), tensor.info.role) != roles.end());
}

STRATA_DEFINE ParameterRange range_of(const ParameterTensor& tensor, std::span<const ParameterGroup> groups) {
  ParameterRange range{.first = tensor.offset, .count = tensor.info.size()};
  for (const ParameterGroup& g : groups) {
    if (!fits(g, tensor)) continue;
    range.learning_rate *= g.learning_rate, range.weight_decay *= g.weight_decay;
    range.always_frozen = range.always_frozen || g.frozen;
    const auto sooner = [](std::int64_t& end, std::int64_t n) {
      if (n > 0 && (end == 0 || n < end)) end = n;
    };
    sooner(range.trained_epochs, g.trained_epochs), sooner(range.trained_updates, g.trained_updates);
  }
  range.frozen = range.always_frozen;
  return range;
}

STRATA_DEFINE bool ParameterRange::same_factors(const ParameterRange& other) const {
  return learning_rate == other.learning_rate && weight_decay == other.weight_decay &&
         always_frozen == other.always_frozen && trained_epochs == other.trained_epochs &&
         trained_updates == other.trained_updates;
}

STRATA_DEFINE std::vector<ParameterRange> parameter_ranges(std::span<const ParameterTensor> tensors,
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
      if (last.same_factors(next)) {
        last.count += next.count;
        continue;
      }
    }
    ranges.push_back(next);
  }
  return ranges;
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
