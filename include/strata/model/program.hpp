// SPDX-License-Identifier: BSL-1.0
// A network as a model runs it, without its type: constants for each node. The functions that run models take it, so that
// they are compiled once for all networks.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/table.hpp>
#include <strata/core/tensor_info.hpp>
#include <strata/model/chain.hpp>
#include <strata/model/kernel_traits.hpp>
#include <strata/model/pass.hpp>

namespace strata::inline STRATA_ABI::detail {

// What the plan needs to know about a node's kernel.
struct NodeTraits {
  bool kernel = false;         // false: a bracket; only the next is used
  bool same_gradient = false;  // of a join: the gradients of its branches are its own
  bool view = false, in_place = false, reads_output = false, reads_signs = false, keeps_signs = false;
  std::int64_t (*saved_bytes)(Shape, Shape, std::int64_t) = nullptr;
  std::int64_t (*scratch)(Shape, int, int) = nullptr;
};

template <class Ops>
using Prepare = void (*)(const Ops&, Shape in, int batch, const Preparation&);

// Nodes in a row that the backend may do together.
template <class Ops>
struct BlockNode {
  int length = 0;
  bool (*applies)(Shape in) = nullptr;
  std::int64_t (*scratch)(Shape, int, int) = nullptr;
  void (*forward)(const Pass<Ops>*) = nullptr;  // takes the passes of its nodes
  void (*backward)(const Pass<Ops>*) = nullptr;
  Prepare<Ops> prepare = nullptr;
};
inline constexpr std::size_t longest_block = 3;

// A null function: no work.
template <class Ops>
struct GraphNode {
  std::string_view name{}, keras{};
  NodeTraits traits{};
  void (*tensors)(Shape in, std::vector<TensorInfo>& to) = nullptr;
  void (*forward)(const Pass<Ops>*) = nullptr;
  void (*backward)(const Pass<Ops>*) = nullptr;
  void (*join)(const JoinPass<Ops>*) = nullptr;
  void (*join_backward)(const JoinPass<Ops>*) = nullptr;
  Prepare<Ops> prepare = nullptr;
  const ChainNode<Ops>* chain = nullptr;                          // in a program for inference
  bool relu = false;                                              // a ReLU
  std::array<const BlockNode<Ops>*, longest_block - 1> blocks{};  // those that begin here, the longest first; or null
};

template <class Ops>
struct Program {
  std::span<const Row> rows;
  std::span<const GraphNode<Ops>> nodes;
  Shape input, output;
  std::int64_t parameters = 0, state = 0;
};

}  // namespace strata::inline STRATA_ABI::detail
