// SPDX-License-Identifier: BSL-1.0
// The functions of tensors.hpp.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <strata/core/linkage.hpp>
#include <strata/model/tensors.hpp>
#include <strata/util/random.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE std::string LayerNames::operator()(std::string_view name) {
  for (auto& [known, count] : seen_)
    if (known == name) return std::string(name) + "_" + std::to_string(count++);
  seen_.emplace_back(name, 1);
  return std::string(name);
}

STRATA_DEFINE TensorInitialization::TensorInitialization(const Initializer& weights, const Initializer& biases,
                                                         std::span<const TensorInitializer> single, std::uint64_t seed)
    : weights_(weights), biases_(biases), single_(single), seed_(seed) {
  weights.validate();
  biases.validate();
}

template <class T>
void TensorInitialization::fill(const std::string& name, const TensorInfo& info, std::span<T> values) {
  const Random random(seed_, Purpose::initialize, static_cast<std::uint32_t>(names_.size()));
  names_.push_back(name);
  if (const Initializer* own = initializer_for(name, single_)) {
    own->validate();
    (*own)(values, info, random);
    return;
  }
  switch (info.role) {
    case Role::weight:
      weights_(values, info, random);
      break;
    case Role::bias:
      biases_(values, info, random);
      break;
    case Role::scale:
    case Role::running_variance:
      std::fill(values.begin(), values.end(), T{1});
      break;
    case Role::slope:
      std::fill(values.begin(), values.end(), T{0.25});
      break;
    case Role::shift:
    case Role::running_mean:
      break;
  }
}

STRATA_DEFINE void TensorInitialization::operator()(const std::string& name, const TensorInfo& info,
                                                    std::span<float> values) {
  fill(name, info, values);
}
STRATA_DEFINE void TensorInitialization::operator()(const std::string& name, const TensorInfo& info,
                                                    std::span<double> values) {
  fill(name, info, values);
}

}  // namespace strata::inline STRATA_ABI::detail
