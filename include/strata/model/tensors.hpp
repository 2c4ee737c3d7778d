// SPDX-License-Identifier: BSL-1.0
// The tensors of a model by name: conv2d_1/kernel.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/tensor_info.hpp>
#include <strata/model/initializers.hpp>

namespace strata::inline STRATA_ABI {

namespace detail {

// Keras numbers the layers of a kind: conv2d, conv2d_1, ...
class LayerNames {
 public:
  std::string operator()(std::string_view name);

 private:
  std::vector<std::pair<std::string_view, int>> seen_;
};

// Sets the values of one tensor after the other. The random numbers depend on the seed and the tensor's position.
class TensorInitialization {
 public:
  // Throws std::invalid_argument for an initializer with impossible numbers. The initializers must outlive this.
  TensorInitialization(const Initializer& weights, const Initializer& biases, std::span<const TensorInitializer> single,
                       std::uint64_t seed);

  void operator()(const std::string& name, const TensorInfo& info, std::span<float> values);
  void operator()(const std::string& name, const TensorInfo& info, std::span<double> values);
  // Throws std::invalid_argument if there is an initializer for a tensor that does not exist.
  void finish() const { check_tensors(single_, names_); }

 private:
  template <class T>
  void fill(const std::string& name, const TensorInfo& info, std::span<T> values);

  const Initializer& weights_;
  const Initializer& biases_;
  std::span<const TensorInitializer> single_;
  std::uint64_t seed_;
  std::vector<std::string> names_;
};

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/model/tensors_impl.hpp>
#endif
