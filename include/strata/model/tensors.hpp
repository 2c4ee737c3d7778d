// SPDX-License-Identifier: BSL-1.0
// The tensors of a model by name: conv2d_1/kernel.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <strata/core/tensor_info.hpp>
#include <strata/model/initializers.hpp>
#include <strata/util/random.hpp>

namespace strata {

namespace detail {

// Keras numbers the layers of a kind: conv2d, conv2d_1, ...
class LayerNames {
 public:
  std::string operator()(std::string_view name) {
    for (auto& [known, count] : seen_)
      if (known == name) return std::string(name) + "_" + std::to_string(count++);
    seen_.emplace_back(name, 1);
    return std::string(name);
  }

 private:
  std::vector<std::pair<std::string_view, int>> seen_;
};

// Sets the values of one tensor after the other. The random numbers depend on the seed and the tensor's position.
class TensorInitialization {
 public:
  // Throws std::invalid_argument for an initializer with impossible numbers. The initializers must outlive this.
  TensorInitialization(const Initializer& weights, const Initializer& biases, std::span<const TensorInitializer> single,
                       std::uint64_t seed)
      : weights_(weights), biases_(biases), single_(single), seed_(seed) {
    weights.validate();
    biases.validate();
  }

  template <class T>
  void operator()(const std::string& name, const TensorInfo& info, std::span<T> values) {
    const Random random(seed_, Purpose::initialize, static_cast<std::uint32_t>(names_.size()));
    const Fan fan{info.fan_in, info.fan_out};
    names_.push_back(name);
    if (const Initializer* own = initializer_for(name, single_)) {
      own->validate();
      (*own)(values, fan, random);
      return;
    }
    switch (info.role) {
      case Role::weight:
        weights_(values, fan, random);
        break;
      case Role::bias:
        biases_(values, fan, random);
        break;
      case Role::scale:
      case Role::running_variance:
        std::fill(values.begin(), values.end(), T{1});
        break;
      case Role::shift:
      case Role::running_mean:
        break;
    }
  }
  // Throws std::invalid_argument if there is an initializer for a tensor that does not exist.
  void finish() const { check_tensors(single_, names_); }

 private:
  const Initializer& weights_;
  const Initializer& biases_;
  std::span<const TensorInitializer> single_;
  std::uint64_t seed_;
  std::vector<std::string> names_;
};

}  // namespace detail
}  // namespace strata
