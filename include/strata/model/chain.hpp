// SPDX-License-Identifier: BSL-1.0
// A chain is a product or a normalization, and the layers behind it that inference applies to its output while the output
// is in the cache: a normalization, the sum of a Residual, an activation. A model for inference runs a chain as one step.
// It keeps the weights of a chain's product packed, as the kernel reads them: a scale and a shift of each channel, which
// have the bias and the normalization in them, then the weights in the kernel's order.
#pragma once
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/model/pass.hpp>

namespace strata::inline STRATA_ABI {

// The layers behind the first: y = f(y + add).
template <class A>
struct ChainEnd {
  bool normalized = false;  // the scale is of a normalization; else it is 1, and the shift is the bias
  const A* add = nullptr;   // (N, out); null: none
  bool relu = false;
  void (*activation)(std::int64_t n, A* y) = nullptr;  // another f, in place; null: none
};

namespace detail {

// A node's parts in a chain. A null function means that the node does not have that part.
template <class Ops>
struct ChainNode {
  using T = typename Ops::Parameter;
  using A = typename Ops::Activation;
  // The first. Elements of its packed weights:
  std::int64_t (*packed)(Shape in) = nullptr;
  // Packs them; if normalized, the scale and the shift are there.
  void (*pack)(const Pass<Ops>& p, bool normalized, T* packed) = nullptr;
  // Elements of scratch to run the chain:
  std::int64_t (*scratch)(Shape in, int batch, int threads) = nullptr;
  // Runs it; p.y is the last output.
  void (*run)(const Pass<Ops>& p, const T* packed, const ChainEnd<A>& end) = nullptr;
  // A normalization: y = x * scale + shift, for each channel.
  void (*scale_and_shift)(const Pass<Ops>& p, T* scale, T* shift) = nullptr;
  bool adds = false;  // the sum of two branches
  // An activation.
  bool relu = false;
  void (*activation)(std::int64_t n, A* y) = nullptr;
};

// The links of the chain that begins at a node, by their numbers; 0: no such link.
struct Chain {
  int normalization = 0, sum = 0, activation = 0;
};

template <class Ops>
inline constexpr bool runs_chains = requires { requires Ops::runs_chains; };

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
