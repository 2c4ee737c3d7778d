// SPDX-License-Identifier: BSL-1.0
// Blocks of two layers. One is a product and the ReLU after it, for backends whose products can rectify their output.
#pragma once
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/model/kernel_traits.hpp>

namespace strata::inline STRATA_ABI::detail {

// A block that always applies and needs the scratch of First, the kernel of its first layer.
template <class First>
struct BlockOfTwo {
  static constexpr bool exists = true;
  template <class Ops>
  static constexpr bool applies(Shape) {
    return true;
  }
  template <class Ops>
  static constexpr std::int64_t scratch(Shape in, int batch, int threads) {
    return First::template scratch<Ops>(in, batch, threads);
  }
};

// Product and Relu: the backend's kernels of the two layers.
template <class Product, class Relu>
struct ReluBlock : BlockOfTwo<Product> {
  template <class Ops>
  static void prepare(const Ops& ops, Shape in, int batch, const Preparation& wanted) {
    Product::prepare(ops, in, batch, wanted);
  }
  template <class P>
  static void forward(const P* p) {
    Product::forward(p[0], p[1].y, true);
  }
  template <class P>
  static void backward(const P* p) {
    Relu::backward(p[1]);
    Product::backward(p[0], p[1].dx);
  }
};

}  // namespace strata::inline STRATA_ABI::detail
