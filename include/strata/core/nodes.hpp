// SPDX-License-Identifier: BSL-1.0
// Expands nested blocks and branches into one flat list of nodes. Shapes, errors, memory plans and models all walk that
// list.
//
// A layer that is made of layers has a member type `nodes`, which says what it expands to:
//     template <class... Layers>
//     struct Residual {
//       using nodes = graph::Nodes<graph::Fork, Layers..., graph::Join<Residual>>;
//       static constexpr LayerInfo join(Shape first, Shape second);  // where its branches meet
//     };
#pragma once
#include <concepts>

#include <strata/core/layer_info.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/type_list.hpp>

namespace strata {

template <class... Layers>
struct Sequential;

template <class L>
concept Layer = requires(Shape s) {
  { L::infer(s) } -> std::same_as<LayerInfo>;
};

namespace graph {

// Layers and the marks below, in order. Entries that are themselves made of layers are expanded in place.
template <class... Entries>
using Nodes = detail::List<Entries...>;
// Branches start here, all with the same input.
struct Fork {};
// Ends one branch and starts the next, from the fork's input.
struct Next {};
// Ends the last branch and brings the branches together as Parent::join and Parent's kernel say. With one branch alone, a
// Parent that keeps the shape joins it with the fork's input.
template <class Parent>
struct Join {};

}  // namespace graph

inline namespace STRATA_ABI {
namespace detail {

template <class L>
struct expand_layer {
  using type = List<L>;
};
template <class L>
struct expand;
template <class L>
  requires requires { typename L::nodes; }
struct expand_layer<L> : expand<typename L::nodes> {};

// expand<L>::type is the flat list of nodes of L. The templates nest as deeply as the layers do, however many there are.
template <class L>
struct expand : expand_layer<L> {};
template <class... Entries>
struct expand<List<Entries...>> : concat<typename expand<Entries>::type...> {};
template <class... Layers>
struct expand<Sequential<Layers...>> : expand<List<Layers...>> {};

enum class Kind { layer, fork, next, join };

template <class N>
struct node {  // a layer
  static constexpr Kind kind = Kind::layer;
  using layer = N;
  static constexpr LayerInfo infer(Shape in) {
    if constexpr (Layer<N>) {
      return N::infer(in);
    } else {
      LayerInfo s;
      s.out = in, s.fault = Fault::not_a_layer;
      return s;
    }
  }
  static constexpr LayerInfo join(Shape, Shape) { return {}; }
};
struct mark {
  using layer = void;
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s;
    s.out = in;
    return s;
  }
  static constexpr LayerInfo join(Shape, Shape) { return {}; }
};
template <>
struct node<graph::Fork> : mark {
  static constexpr Kind kind = Kind::fork;
};
template <>
struct node<graph::Next> : mark {
  static constexpr Kind kind = Kind::next;
};
template <class Parent>
struct node<graph::Join<Parent>> : mark {
  static constexpr Kind kind = Kind::join;
  using layer = Parent;
  static constexpr LayerInfo join(Shape first, Shape second) { return Parent::join(first, second); }
};

template <class L>
inline constexpr bool is_input = false;

}  // namespace detail
}  // namespace STRATA_ABI
}  // namespace strata
