// SPDX-License-Identifier: BSL-1.0
// A chain is a product or a normalization, and the layers behind it that inference applies to its output while the output
// is in the cache: a normalization, the sum of a Residual, an activation. A model for inference runs a chain as one step.
// It keeps the weights of a chain's product packed, as the kernel reads them: a scale and a shift of each channel, which
// have the bias and the normalization in them, then the weights in the kernel's order.
#pragma once
#include <cstdint>
#include <limits>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/model/pass.hpp>

namespace strata::inline STRATA_ABI {

// The range that an activation such as ReLU cuts numbers to. NaN stays NaN.
struct Limits {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();

  static constexpr Limits of_relu(bool relu = true) {
    Limits l;
    if (relu) l.low = 0;
    return l;
  }
  template <class T>
  [[nodiscard]] constexpr T cut(T v) const {
    return v < static_cast<T>(low) ? static_cast<T>(low) : v > static_cast<T>(high) ? static_cast<T>(high) : v;
  }
  // Whether they cut anything.
  [[nodiscard]] constexpr bool any() const {
    return low > -std::numeric_limits<double>::infinity() || high < std::numeric_limits<double>::infinity();
  }
};

// The layers behind the first: y = f(y + add), cut to the limits. add is null where rows of y are apart.
template <class A>
struct ChainEnd {
  bool normalized = false;  // the scale is of a normalization; else it is 1, and the shift is the bias
  const A* add = nullptr;   // (N, out); null: none
  Limits limits = {};
  void (*activation)(std::int64_t n, A* y) = nullptr;  // another f, in place; null: none
  int capacity = 0;  // the batch of the model that packed the weights; a session's may be larger
  int stride = 0;    // elements from row to row of y, which may be part of a Concat's output; 0: its channels
};

namespace detail {

// A node's parts in a chain. A null function means that the node does not have that part.
template <class Ops>
struct ChainNode {
  using T = typename Ops::Parameter;
  using A = typename Ops::Activation;
  // The first. Elements of its packed weights:
  std::int64_t (*packed)(Shape in, int capacity) = nullptr;
  // Packs them; if normalized, the scale and the shift are there.
  void (*pack)(const Pass<Ops>& p, bool normalized, int capacity, T* packed) = nullptr;
  // Elements of scratch to run the chain:
  std::int64_t (*scratch)(Shape in, int batch, int threads) = nullptr;
  // Runs it; p.y is the last output.
  void (*run)(const Pass<Ops>& p, const T* packed, const ChainEnd<A>& end) = nullptr;
  // A normalization: y = x * scale + shift, for each channel.
  void (*scale_and_shift)(const Pass<Ops>& p, T* scale, T* shift) = nullptr;
  bool adds = false;          // the sum of two branches
  bool concatenates = false;  // branches side by side
  bool takes_stride = false;  // run() takes a stride
  // An activation: limits, or a function.
  Limits limits = {};
  void (*activation)(std::int64_t n, A* y) = nullptr;
};

// The links of the chain that begins at a node, by their numbers; 0: no such link.
struct Chain {
  int normalization = 0, sum = 0, activation = 0;
  // The Concat that it ends a branch of, and its first channel there: it writes to that output, so that nothing is copied.
  int whole = 0, channel = 0;
};

template <class Ops>
inline constexpr bool runs_chains = requires { requires Ops::runs_chains; };

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
