// SPDX-License-Identifier: BSL-1.0
// Layers made of layers: branches that start at the same input and meet again. core/nodes.hpp says how such a layer is
// written; it need not be one of these.
#pragma once
#include <cstdint>
#include <type_traits>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/core/nodes.hpp>
#include <strata/core/options.hpp>

namespace strata {

// The second branch of a Residual, which otherwise is the input itself. It is the last layer of its Residual:
// Residual<Conv<3, 64, Stride<2>>, ..., Shortcut<Conv<1, 64, Stride<2>>>>. Anywhere else it is an error.
// Error: shortcut_misplaced.
template <class... Layers>
struct Shortcut {
  static constexpr const char* name = "Shortcut";
  // Called only for a Shortcut that no Residual has replaced by its layers.
  static constexpr LayerInfo infer(Shape in) { return detail::fault(in, Fault::shortcut_misplaced); }
};

inline namespace STRATA_ABI {
namespace detail {

template <class L, bool Last>
struct open_shortcut {
  using type = L;
};
template <class... Layers>
struct open_shortcut<Shortcut<Layers...>, true> {
  using type = graph::Nodes<graph::Next, Layers...>;
};
// The flat nodes of a Residual's layers; a Shortcut at their end has become the second branch.
template <class Flat, class Indices>
struct residual_branches;
template <class... N, std::size_t... Index>
struct residual_branches<List<N...>, std::index_sequence<Index...>> {
  using type = graph::Nodes<typename open_shortcut<N, Index + 1 == sizeof...(N)>::type...>;
};
template <class Flat>
struct residual_branches_of;
template <class... N>
struct residual_branches_of<List<N...>> : residual_branches<List<N...>, std::index_sequence_for<N...>> {};

// A Concat without branches has no nodes, which makes it an error: not_a_layer.
template <class Parent, class... Branches>
struct ConcatNodes {};
template <class Parent, class First, class... Rest>
struct ConcatNodes<Parent, First, Rest...> {
  using nodes = graph::Nodes<graph::Fork, First, graph::Nodes<graph::Next, Rest>..., graph::Join<Parent>>;
};

}  // namespace detail
}  // namespace STRATA_ABI

// y = layers(x) + x, or layers(x) + shortcut(x) (He, Zhang, Ren, Sun 2016). Both have the same shape, (N,H,W,C) or (N,n).
// Error: residual_shapes_differ.
template <class... Layers>
struct Residual {
  static constexpr const char* name = "Residual";
  using nodes =
      graph::Nodes<graph::Fork,
                   typename detail::residual_branches_of<typename detail::expand<graph::Nodes<Layers...>>::type>::type,
                   graph::Join<Residual>>;
  static constexpr LayerInfo join(Shape sum, Shape next) {
    LayerInfo s = detail::keep(sum, Values::any);
    if (!(sum == next)) s.fail(Fault::residual_shapes_differ);
    return s;
  }
};

// y = x * layers(x), element by element, where layers(x) has the shape of x, or is one number for each channel, (N,C) or
// (N,1,1,C), which holds for all positions: Gate<GlobalAvgPool, Dense<C / 16>, ReLU, Dense<C>, Sigmoid> is squeeze and
// excitation (Hu, Shen, Sun 2018). Keras' Multiply. Error: gate_shapes_differ.
template <class... Layers>
struct Gate {
  static constexpr const char* name = "Gate";
  // The first of two branches is empty: x itself.
  using nodes = graph::Nodes<graph::Fork, graph::Next, Layers..., graph::Join<Gate>>;
  static constexpr LayerInfo join(Shape x, Shape gate) {
    LayerInfo s = detail::keep(x, Values::any);
    const bool a_number_each = gate.channels == x.channels && gate.height == 1 && gate.width == 1 && !x.flat;
    if (!(gate == x) && !a_number_each) s.fail(Fault::gate_shapes_differ);
    return s;
  }
};

// Concatenates its branches over the channels: (N,H,W,C1), (N,H,W,C2), ... -> (N,H,W,C1+C2+...), and vectors likewise. Each
// argument is a branch: a layer, or a Sequential of layers; all start at the same input. Error: concat_shapes_differ.
template <class... Branches>
struct Concat : detail::ConcatNodes<Concat<Branches...>, Branches...> {
  static constexpr const char* name = "Concat";
  static constexpr LayerInfo join(Shape sum, Shape next) {
    LayerInfo s = detail::keep(sum, Values::any);
    s.out.channels = detail::saturate_to_int(static_cast<std::int64_t>(sum.channels) + next.channels);
    if (sum.height != next.height || sum.width != next.width || sum.flat != next.flat) s.fail(Fault::concat_shapes_differ);
    return s;
  }
};

}  // namespace strata
