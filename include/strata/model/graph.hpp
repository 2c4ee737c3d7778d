// SPDX-License-Identifier: BSL-1.0
// The graph that a model runs: for each node its functions, traits, tensors and buffers, as constants.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <strata/core/diagnose.hpp>
#include <strata/core/tensor_info.hpp>
#include <strata/model/engine.hpp>
#include <strata/model/fingerprint.hpp>
#include <strata/model/kernel_traits.hpp>
#include <strata/model/kernels.hpp>
#include <strata/model/pass.hpp>
#include <strata/model/plan.hpp>

namespace strata::detail {

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

inline constexpr std::size_t longest_block = 3;
// A node by itself, or a block of nodes that begins here and that the backend does together. A null function: no work.
template <class Ops>
struct GraphNode {
  int length = 1;  // nodes of the block; 0: inside a block
  int row = -1;    // of a profile; brackets and views have none
  std::string_view name{}, keras{};
  std::span<const TensorInfo> tensors{};
  void (*forward)(const Pass<Ops>*) = nullptr;
  void (*backward)(const Pass<Ops>*) = nullptr;
  void (*block_forward)(const Pass<Ops>*) = nullptr;  // takes the passes of its nodes
  void (*block_backward)(const Pass<Ops>*) = nullptr;
  void (*join)(const JoinPass<Ops>*) = nullptr;
  void (*join_backward)(const JoinPass<Ops>*) = nullptr;
  void (*prepare)(const Ops&, Shape in, int batch, const Preparation&) = nullptr;
};

template <class Net, class Backend, bool Training>
struct Graph {
  // If the network is broken it has reported its error; a stand-in keeps the kernels from adding others.
  using sound = std::conditional_t<diagnose<Net>().ok(), Net, Sequential<Input<1, 1, 1>>>;
  using nodes_type = typename analysed<sound>::nodes;
  using Engine = typename Backend::Engine;
  using Ops = typename Backend::Ops;
  using A = typename Ops::Activation;
  using T = typename Ops::Parameter;
  using Node = GraphNode<Ops>;
  static constexpr const auto& table = analysed<sound>::table;
  static constexpr std::size_t count = table_of<nodes_type>::count;

  template <std::size_t Index>
  using node_type = typename pick<static_cast<int>(Index), nodes_type>::type;
  template <std::size_t Index>
  using layer_type = typename node<node_type<Index>>::layer;
  template <std::size_t Index>
  using kernel = typename Backend::template kernel<layer_type<Index>>;

  // The backend's block of the `Length` nodes from Index on.
  template <std::size_t Index, class Length>
  struct block_of;
  template <std::size_t Index, std::size_t... J>
  struct block_of<Index, std::index_sequence<J...>> {
    using type = typename Backend::template block<layer_type<Index + J>...>;
  };
  template <std::size_t Index, std::size_t Length>
  using block = typename block_of<Index, std::make_index_sequence<Length>>::type;
  // How many nodes from Index on run as one block; 1 if each runs by itself.
  template <std::size_t Index, std::size_t Length = longest_block>
  static constexpr std::size_t block_length() {
    if constexpr (Length == 1) {
      return 1;
    } else {
      if constexpr (Index + Length <= count) {
        bool layers = true;
        for (std::size_t j = Index; j < Index + Length; ++j) layers = layers && table.rows[j].kind == Kind::layer;
        if constexpr (block<Index, Length>::exists)
          if (layers && block<Index, Length>::template applies<Ops>(table.rows[Index].in)) return Length;
      }
      return block_length<Index, Length - 1>();
    }
  }

  template <std::size_t Index>
  static constexpr NodeTraits traits_of() {
    if constexpr (node<node_type<Index>>::kind == Kind::layer) {
      using K = kernel<Index>;
      constexpr std::size_t length = block_length<Index>();
      NodeTraits t{.kernel = true,
                   .view = K::view,
                   .in_place = K::in_place,
                   .reads_output = K::reads_output,
                   .reads_signs = K::reads_signs,
                   .keeps_signs = K::keeps_signs,
                   .saved_bytes = &K::template saved_bytes<Ops>};
      if constexpr (length > 1)
        t.scratch = &block<Index, length>::template scratch<Ops>;
      else
        t.scratch = &K::template scratch<Ops>;
      return t;
    } else {
      return {};
    }
  }
  template <std::size_t... Index>
  static constexpr std::array<NodeTraits, count> all_traits(std::index_sequence<Index...>) {
    return {traits_of<Index>()...};
  }
  static constexpr auto traits() { return all_traits(std::make_index_sequence<count>{}); }

  static constexpr Layout<count> layout(std::int64_t batch, int threads) {
    return lay_out(table, traits(), batch, threads, {sizeof(T), sizeof(A)}, Training,
                   Engine::own_bytes(Net::parameters, batch * Net::input.size()));
  }
  static constexpr Buffers<count> buffers = assign_buffers(table, traits());

  template <std::size_t Index>
  static constexpr auto tensors_of = layer_type<Index>::tensors(table.rows[Index].in);
  template <std::size_t Index>
  static constexpr Node node_of() {
    Node n;
    n.name = name_of_node<node_type<Index>>();
    if constexpr (node<node_type<Index>>::kind == Kind::join) {
      n.join = &run_forward<kernel<Index>, JoinPass<Ops>>;
      if constexpr (Training) n.join_backward = &run_backward<kernel<Index>, JoinPass<Ops>>;
    } else if constexpr (node<node_type<Index>>::kind == Kind::layer) {
      using L = layer_type<Index>;
      // A layer that Keras does not have goes by its own name.
      n.keras = n.name.empty() ? "layer" : n.name;
      if constexpr (requires { L::keras; }) n.keras = L::keras;
      if constexpr (requires { L::tensors(Shape{}); }) n.tensors = tensors_of<Index>;
      constexpr std::size_t length = block_length<Index>();
      n.length = static_cast<int>(length);
      if constexpr (!kernel<Index>::view) {
        n.forward = &run_forward<kernel<Index>, Pass<Ops>>;
        if constexpr (Training) n.backward = &run_backward<kernel<Index>, Pass<Ops>>;
      }
      if constexpr (length > 1) {
        n.block_forward = &run_block_forward<block<Index, length>, Pass<Ops>>;
        if constexpr (Training) n.block_backward = &run_block_backward<block<Index, length>, Pass<Ops>>;
      }
      if constexpr (kernel<Index>::prepares) {
        if constexpr (length > 1)
          n.prepare = &run_prepare<block<Index, length>, Ops>;
        else
          n.prepare = &run_prepare<kernel<Index>, Ops>;
      }
    }
    return n;
  }
  template <std::size_t... Index>
  static constexpr std::array<Node, count> all_nodes(std::index_sequence<Index...>) {
    std::array<Node, count> all{node_of<Index>()...};
    int rows = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto length = static_cast<std::size_t>(all[i].length);
      for (std::size_t j = i + 1; j < i + length; ++j) all[j].length = 0;
      if (length > 0 && (all[i].join || all[i].forward)) all[i].row = rows++;
    }
    return all;
  }
  static constexpr std::array<Node, count> nodes = all_nodes(std::make_index_sequence<count>{});

  // The tensors that a backend may keep with the filters first; a layer has at most one.
  struct Filters {
    std::array<FilterTensor, count> found{};
    std::size_t size = 0;
  };
  static constexpr Filters filters = [] {
    Filters f;
    std::int64_t offset = 0;
    for (const Node& n : nodes)
      for (const TensorInfo& info : n.tensors) {
        if (!info.trainable()) continue;
        if (info.layout == TensorLayout::filters) {
          const std::int64_t last = info.shape[static_cast<std::size_t>(info.rank - 1)];
          f.found[f.size++] = {offset, info.size() / last, last};
        }
        offset += info.size();
      }
    return f;
  }();
};

}  // namespace strata::detail
