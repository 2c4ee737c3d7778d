// SPDX-License-Identifier: BSL-1.0
// The convolutions of a network type.
#pragma once
#include <cstddef>
#include <vector>

#include <strata/backend/cuda/conv.hpp>
#include <strata/network.hpp>

namespace strata::test {

template <class L>
inline constexpr bool is_conv = false;
template <auto Kernel, int Filters, class... Options>
inline constexpr bool is_conv<Conv<Kernel, Filters, Options...>> = true;

// The problems for cuDNN in training and prediction with one batch. For networks without blocks.
template <class... Layers>
std::vector<cuda::ConvProblem> convolutions(Sequential<Layers...>, int batch, cuda::Math math) {
  using Net = Sequential<Layers...>;
  static_assert(Net::shapes.size() == sizeof...(Layers));
  std::vector<cuda::ConvProblem> problems;
  std::size_t i = 0;
  const auto add = [&]<class L>(L) {
    if constexpr (is_conv<L>) {
      const Geometry g = L::geometry(Net::shapes[i - 1]);
      problems.push_back({cuda::ConvOperation::forward, g, batch, math, L::has_bias});
      problems.push_back({cuda::ConvOperation::backward_input, g, batch, math});
      problems.push_back({cuda::ConvOperation::backward_weights, g, batch, math});
    }
    ++i;
  };
  (add(Layers{}), ...);
  return problems;
}

}  // namespace strata::test
