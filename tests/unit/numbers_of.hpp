// SPDX-License-Identifier: BSL-1.0
// All numbers of a model, to compare models.
#pragma once
#include <span>
#include <string>
#include <vector>

#include <strata/core/tensor_info.hpp>

template <class M>
std::vector<float> numbers_of(M& model) {
  std::vector<float> all;
  model.for_each_tensor([&](const std::string&, const strata::TensorInfo&, std::span<float> v) {
    all.insert(all.end(), v.begin(), v.end());
  });
  return all;
}
