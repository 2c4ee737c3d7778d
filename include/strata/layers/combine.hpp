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

// The second branch of a Residual, which otherwise is the input itself. It is the last layer of its Residual.
// Formula: Residual<Layers..., Shortcut<Others...>> computes y = layers(x) + others(x)
// Shapes: (N,H,W,C) or (N,n) -> the shape that the Residual's other layers give
// Options: its layers
// Errors: shortcut_misplaced
// Example:
//   using Net = Sequential<Input<32, 32, 16>,
//                          Residual<Conv<3, 64, Stride<2>>, ReLU, Conv<3, 64>, Shortcut<Conv<1, 64, Stride<2>>>>>;
//   static_assert(Net::output == Shape{16, 16, 64});
// Keras: Add()([layers(x), others(x)])
// PyTorch: `layers(x) + others(x)` in forward()
// Source: He, Zhang, Ren, Sun 2016
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

// Adds the input to the output of its layers. If they change the shape, end them in a Shortcut that changes it likewise.
// Formula: y = layers(x) + x
// Shapes: (N,H,W,C) or (N,n), which its layers keep
// Options: its layers; the last one may be a Shortcut
// Errors: residual_shapes_differ
// Example:
//   using Net = Sequential<Input<32, 32, 16>, Residual<Conv<3, 16>, BatchNorm, ReLU, Conv<3, 16>, BatchNorm>, ReLU>;
//   static_assert(Net::output == Shape{32, 32, 16});
// Keras: Add()([layers(x), x])
// PyTorch: `layers(x) + x` in forward()
// Source: He, Zhang, Ren, Sun 2016
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

// Multiplies the input by the output of its layers, element by element. Layers that give one number for each channel
// multiply the whole channel by it, as in squeeze and excitation.
// Formula: y = x * layers(x)
// Shapes: (N,H,W,C) or (N,n), which it keeps; its layers give the same shape, or (N,C) or (N,1,1,C) for (N,H,W,C)
// Options: its layers
// Errors: gate_shapes_differ
// Example:
//   using Net = Sequential<Input<32, 32, 64>, Gate<GlobalAvgPool, Dense<4>, ReLU, Dense<64>, Sigmoid>>;
//   static_assert(Net::output == Shape{32, 32, 64});
// Keras: Multiply()([x, layers(x)])
// PyTorch: `x * layers(x)` in forward()
// Source: Hu, Shen, Sun 2018 (squeeze and excitation)
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

// Runs several branches on the same input and joins their channels.
// Formula: y = [branch1(x), branch2(x), ...]
// Shapes: branches of (N,H,W,C1), (N,H,W,C2), ... -> (N,H,W,C1+C2+...); vectors likewise
// Options: its branches; each is a layer or a Sequential of layers
// Errors: concat_shapes_differ, size_overflows; not_a_layer without branches
// Example:
//   using Net = Sequential<Input<32, 32, 16>, Concat<Conv<1, 8>, Sequential<Conv<1, 4>, ReLU, Conv<3, 24>>>>;
//   static_assert(Net::output == Shape{32, 32, 32});
// Keras: Concatenate()([branch1(x), branch2(x)])
// PyTorch: torch.cat([branch1(x), branch2(x)], dim=1) in forward()
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
