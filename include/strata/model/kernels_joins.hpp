// SPDX-License-Identifier: BSL-1.0
// The kernels of the nodes in which branches meet. model/kernels.hpp says how a kernel is written.
#pragma once
#include <strata/core/linkage.hpp>
#include <strata/layers/combine.hpp>
#include <strata/model/kernel_traits.hpp>
#include <strata/model/pass.hpp>

namespace strata::inline STRATA_ABI {

// A Residual adds two branches.
template <class... Layers>
struct Kernel<Residual<Layers...>> {
  using chain_layer = Residual<Layers...>;
  static constexpr bool adds = true;  // in a chain (model/chain.hpp)
  static constexpr bool same_gradient = true;
  template <class P>
  static void forward(const P& p) {
    const auto *a = p.branches[1].x, *b = p.branches[0].x;
    if constexpr (adds_and_rectifies<typename P::Ops>)
      if (p.relu) return p.ops.add_relu(p.rows * p.channels, a, b, p.y);
    p.ops.add(p.rows * p.channels, a, b, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    for (const auto& branch : p.branches)
      if (branch.dx && branch.dx != p.dy) p.ops.copy(p.rows * p.channels, p.dy, branch.dx);
  }
};

// A Gate multiplies its input by the other branch: by an element each, or by one a channel.
template <class... Layers>
struct Kernel<Gate<Layers...>> {
  template <class P>
  static void forward(const P& p) {
    const auto &x = p.branches[0], &gate = p.branches[1];
    p.ops.gate_forward(gate.rows, area(p), p.channels, x.x, gate.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    const auto &x = p.branches[0], &gate = p.branches[1];
    p.ops.gate_backward(gate.rows, area(p), p.channels, x.x, gate.x, p.dy, x.dx, gate.dx);
  }

 private:
  // Rows of x for each row of the gate.
  template <class P>
  static std::int64_t area(const P& p) {
    const std::int64_t rows = p.branches[1].rows;
    return rows > 0 ? p.rows / rows : 1;  // a batch may be empty
  }
};

template <class... Branches>
struct Kernel<Concat<Branches...>> {
  using chain_layer = Concat<Branches...>;
  static constexpr bool concatenates = true;  // behind a chain (model/chain.hpp)
  template <class P>
  static void forward(const P& p) {
    int offset = 0;
    for (const auto& branch : p.branches) {
      if (branch.x) p.ops.concat_copy(p.rows, branch.channels, branch.x, p.channels, offset, p.y);
      offset += branch.channels;
    }
  }
  template <class P>
  static void backward(const P& p) {
    int offset = 0;
    for (const auto& branch : p.branches) {
      if (branch.dx) p.ops.concat_take(p.rows, branch.channels, branch.dx, p.channels, offset, p.dy);
      offset += branch.channels;
    }
  }
};

}  // namespace strata::inline STRATA_ABI
