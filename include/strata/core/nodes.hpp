// SPDX-License-Identifier: BSL-1.0
// Unrolls nested blocks and branches into one flat list of nodes, the program that shapes, errors, memory plans and models
// all walk. Fork remembers a value, Next ends one branch and starts the next from there, Join brings the branches together.
#pragma once
#include <concepts>

#include <strata/core/layer_info.hpp>
#include <strata/layers/combine.hpp>

namespace strata {

template <class... Layers>
struct Sequential;

template <class L>
concept Layer = requires(Shape s) {
  { L::infer(s) } -> std::same_as<LayerInfo>;
};

namespace detail {

template <class...>
struct List {};
struct Fork {};
struct Next {};
template <class Parent>
struct Join {};
struct EndOfShortcut {};  // so that a Shortcut in a Shortcut is not at the end; unroll takes it out again
// A branch of a Concat, but for the first.
template <class Layer>
struct Branch {};

template <class Done, class... Todo>
struct unroll {
  using type = Done;
};
template <class... Done, class L, class... Todo>
struct unroll<List<Done...>, L, Todo...> : unroll<List<Done..., L>, Todo...> {};
template <class... Done, class... Block, class... Todo>
struct unroll<List<Done...>, Sequential<Block...>, Todo...> : unroll<List<Done...>, Block..., Todo...> {};
template <class... Done, class... Block, class... Todo>
struct unroll<List<Done...>, Residual<Block...>, Todo...>
    : unroll<List<Done..., Fork>, Block..., Join<Residual<Block...>>, Todo...> {};
// At the end of a Residual it starts the second branch; anywhere else a Shortcut is a layer, and one with a fault.
template <class... Done, class... Block, class... Layers, class... Todo>
struct unroll<List<Done...>, Shortcut<Block...>, Join<Residual<Layers...>>, Todo...>
    : unroll<List<Done..., Next>, Block..., EndOfShortcut, Join<Residual<Layers...>>, Todo...> {};
template <class... Done, class... Todo>
struct unroll<List<Done...>, EndOfShortcut, Todo...> : unroll<List<Done...>, Todo...> {};
template <class... Done, class Layer, class... Todo>
struct unroll<List<Done...>, Branch<Layer>, Todo...> : unroll<List<Done..., Next>, Layer, Todo...> {};
template <class... Done, class First, class... Rest, class... Todo>
struct unroll<List<Done...>, Concat<First, Rest...>, Todo...>
    : unroll<List<Done..., Fork>, First, Branch<Rest>..., Join<Concat<First, Rest...>>, Todo...> {};

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
struct bracket {
  using layer = void;
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s;
    s.out = in;
    return s;
  }
  static constexpr LayerInfo join(Shape, Shape) { return {}; }
};
template <>
struct node<Fork> : bracket {
  static constexpr Kind kind = Kind::fork;
};
template <>
struct node<Next> : bracket {
  static constexpr Kind kind = Kind::next;
};
template <class Parent>
struct node<Join<Parent>> : bracket {
  static constexpr Kind kind = Kind::join;
  using layer = Parent;
  static constexpr LayerInfo join(Shape sum, Shape next) { return Parent::join(sum, next); }
};

template <class L>
inline constexpr bool is_input = false;

template <int I, class List>
struct pick;
template <class Head, class... Tail>
struct pick<0, List<Head, Tail...>> {
  using type = Head;
};
template <int I, class Head, class... Tail>
struct pick<I, List<Head, Tail...>> : pick<I - 1, List<Tail...>> {};

}  // namespace detail
}  // namespace strata
