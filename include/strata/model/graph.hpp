// SPDX-License-Identifier: BSL-1.0
// From a network's type to its program. Everything here is made once for each kind of layer, however often a network has
// it, since deep networks repeat a few.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <vector>

#include <strata/core/diagnose.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/tensor_info.hpp>
#include <strata/model/fingerprint.hpp>
#include <strata/model/kernels.hpp>
#include <strata/model/pass.hpp>
#include <strata/model/program.hpp>

namespace strata::inline STRATA_ABI::detail {

// One function for each kernel and pass, shared by all networks that have the layer.
template <class Kernel, class Pass>
void run_forward(const Pass* p) {
  Kernel::forward(*p);
}
template <class Kernel, class Pass>
void run_backward(const Pass* p) {
  Kernel::backward(*p);
}
template <class Block, class Pass>
void run_block_forward(const Pass* p) {
  Block::forward(p);
}
template <class Block, class Pass>
void run_block_backward(const Pass* p) {
  Block::backward(p);
}
template <class Kernel, class Ops>
void run_prepare(const Ops& ops, Shape in, int batch, const Preparation& wanted) {
  Kernel::prepare(ops, in, batch, wanted);
}
template <class L>
void list_tensors(Shape in, std::vector<TensorInfo>& to) {
  for (const TensorInfo& info : L::tensors(in)) to.push_back(info);
}

// K: the kernel of L, which is a layer or, for a join, the layer that is made of branches. A kernel that is derived from
// another layer's is in no chain, since it may compute something else.
template <class K, class L, class Ops>
constexpr ChainNode<Ops> make_chain_node() {
  using P = Pass<Ops>;
  ChainNode<Ops> n;
  if constexpr (requires { requires std::is_same_v<typename K::chain_layer, L>; }) {
    if constexpr (requires { &K::template run_chain<P>; }) {
      n.packed = &K::template packed<Ops>;
      n.scratch = &K::template chain_scratch<Ops>;
      n.pack = &K::template pack<P>;
      n.run = &K::template run_chain<P>;
    }
    if constexpr (requires { &K::template scale_and_shift<P>; }) n.scale_and_shift = &K::template scale_and_shift<P>;
    if constexpr (requires { K::adds; }) n.adds = K::adds;
    if constexpr (requires { K::concatenates; }) n.concatenates = K::concatenates;
    if constexpr (requires { K::takes_stride; }) n.takes_stride = K::takes_stride;
    if constexpr (std::is_same_v<L, ReLU>)
      n.limits = Limits::of_relu();
    else if constexpr (is_clip<L>)
      n.limits = {L::low, L::high};
    else if constexpr (Elementwise<L>)
      n.activation = &Ops::template activate<L>;
  }
  return n;
}
template <class K, class L, class Ops>
inline constexpr ChainNode<Ops> chain_node = make_chain_node<K, L, Ops>();

// The entry of a block of layers; First is the kernel of its first layer.
template <class Block, class First, class Ops, bool Training, int Length>
constexpr BlockNode<Ops> make_block() {
  BlockNode<Ops> b{.length = Length,
                   .applies = &Block::template applies<Ops>,
                   .scratch = &Block::template scratch<Ops>,
                   .forward = &run_block_forward<Block, Pass<Ops>>};
  if constexpr (Training) b.backward = &run_block_backward<Block, Pass<Ops>>;
  if constexpr (First::prepares) b.prepare = &run_prepare<Block, Ops>;
  return b;
}
template <class Block, class First, class Ops, bool Training, int Length>
inline constexpr BlockNode<Ops> block_node = make_block<Block, First, Ops, Training, Length>();

template <class... Nodes>
constexpr bool are_layers() {
  return ((node<Nodes>::kind == Kind::layer) && ...);
}
// The backend's block of these nodes; null if it has none.
template <class Backend, bool Training, class First, class... Rest>
constexpr const BlockNode<typename Backend::Ops>* block_of() {
  if constexpr (are_layers<First, Rest...>()) {
    using Block = typename Backend::template block<typename node<First>::layer, typename node<Rest>::layer...>;
    if constexpr (Block::exists)
      return &block_node<Block, typename Backend::template kernel<typename node<First>::layer>, typename Backend::Ops,
                         Training, 1 + static_cast<int>(sizeof...(Rest))>;
  }
  return nullptr;
}

template <class Backend, bool Training, class N>
constexpr GraphNode<typename Backend::Ops> make_node() {
  using Ops = typename Backend::Ops;
  using L = typename node<N>::layer;
  GraphNode<Ops> n;
  n.name = name_of_node<N>();
  if constexpr (node<N>::kind == Kind::join) {
    using K = typename Backend::template kernel<L>;
    n.join = &run_forward<K, JoinPass<Ops>>;
    if constexpr (requires { K::same_gradient; }) n.traits.same_gradient = K::same_gradient;
    if constexpr (Training) n.join_backward = &run_backward<K, JoinPass<Ops>>;
    if constexpr (!Training && runs_chains<Ops>) n.chain = &chain_node<K, L, Ops>;
  } else if constexpr (node<N>::kind == Kind::layer) {
    using K = typename Backend::template kernel<L>;
    // A layer that Keras does not have goes by its own name.
    n.keras = n.name.empty() ? "layer" : n.name;
    if constexpr (requires { L::keras; }) n.keras = L::keras;
    if constexpr (requires { L::tensors(Shape{}); }) n.tensors = &list_tensors<L>;
    n.traits = NodeTraits{.kernel = true,
                          .view = K::view,
                          .in_place = K::in_place,
                          .reads_output = K::reads_output,
                          .reads_signs = K::reads_signs,
                          .keeps_signs = K::keeps_signs,
                          .saved_bytes = &K::template saved_bytes<Ops>,
                          .scratch = &K::template scratch<Ops>};
    if constexpr (!K::view) {
      n.forward = &run_forward<K, Pass<Ops>>;
      if constexpr (Training) n.backward = &run_backward<K, Pass<Ops>>;
    }
    if constexpr (K::prepares) n.prepare = &run_prepare<K, Ops>;
    n.relu = std::is_same_v<L, ReLU>;
    if constexpr (!Training && runs_chains<Ops>) n.chain = &chain_node<K, L, Ops>;
  }
  return n;
}

// A node and the blocks that begin at it, which depend on the two nodes behind it.
template <class Backend, bool Training, class N, class Second, class Third>
constexpr GraphNode<typename Backend::Ops> make_node_with_blocks() {
  GraphNode<typename Backend::Ops> n = make_node<Backend, Training, N>();
  n.blocks = {block_of<Backend, Training, N, Second, Third>(), block_of<Backend, Training, N, Second>()};
  return n;
}
template <class Backend, bool Training, class N, class Second, class Third>
inline constexpr GraphNode<typename Backend::Ops> graph_node = make_node_with_blocks<Backend, Training, N, Second, Third>();

// The end of the list, behind the last node.
using NoNode = graph::Fork;

template <class Backend, bool Training, class First, class Second, class Third>
struct graph_nodes;
template <class Backend, bool Training, class... A, class... B, class... C>
struct graph_nodes<Backend, Training, List<A...>, List<B...>, List<C...>> {
  static constexpr std::array<GraphNode<typename Backend::Ops>, sizeof...(A)> value{
      graph_node<Backend, Training, A, B, C>...};
};
template <class List_>
struct shifted;
template <class First, class... Rest>
struct shifted<List<First, Rest...>> {
  using type = List<Rest..., NoNode>;
};

template <class Net, class Backend, bool Training>
struct Graph {
  // If the network is broken it has reported its error; a stand-in keeps the kernels from adding others.
  using sound = std::conditional_t<diagnose<Net>().ok(), Net, Sequential<Input<1, 1, 1>>>;
  using first = typename analysed<sound>::nodes;
  using second = typename shifted<first>::type;
  using third = typename shifted<second>::type;
  static constexpr const auto& table = analysed<sound>::table;
  static constexpr const auto& nodes = graph_nodes<Backend, Training, first, second, third>::value;
  static constexpr std::size_t count = table_of<first>::count;

  static constexpr Program<typename Backend::Ops> program{.rows = table.rows,
                                                          .nodes = nodes,
                                                          .input = table.input,
                                                          .output = table.output,
                                                          .parameters = table.parameters,
                                                          .state = table.state};
};

}  // namespace strata::inline STRATA_ABI::detail
