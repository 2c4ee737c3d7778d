// SPDX-License-Identifier: BSL-1.0
// Sequential: a network if it starts with Input, else a block. A thin shell around the table, which turns the table's
// diagnosis into one error.
#pragma once
#include <array>
#include <type_traits>

#include <strata/core/errors.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/table.hpp>

namespace strata {
inline namespace STRATA_ABI {
namespace detail {

struct ok {};

template <Parameter>
struct parameter_name;
#define STRATA_PARAMETER(name)             \
  template <>                              \
  struct parameter_name<Parameter::name> { \
    using type = parameter::name;          \
  }
STRATA_PARAMETER(kernel);
STRATA_PARAMETER(stride);
STRATA_PARAMETER(filters);
STRATA_PARAMETER(units);
STRATA_PARAMETER(groups);
STRATA_PARAMETER(dilation);
STRATA_PARAMETER(factor);
STRATA_PARAMETER(declared_input);
STRATA_PARAMETER(input_size);
#undef STRATA_PARAMETER
template <>
struct parameter_name<Parameter::none> {
  using type = void;
};

template <template <int...> class Tag, bool Flat, int Height, int Width, int Channels>
struct dimensions {
  using type = Tag<Height, Width, Channels>;
};
template <template <int...> class Tag, int Height, int Width, int Channels>
struct dimensions<Tag, true, Height, Width, Channels> {
  using type = Tag<Channels>;
};

// The words of an error, from the diagnosis `Of::diagnosis`.
template <class Of>
struct words {
  static constexpr Diagnosis d = Of::diagnosis;
  using at = at_layer<d.layer>;
  using expected_number = expected<d.expected>;
  using got_number = got<d.got>;
  static constexpr Shape e = d.expected_shape, g = d.got_shape;
  using wanted_shape = typename dimensions<expected_shape, e.flat, e.height, e.width, e.channels>::type;
  using shape_here = typename dimensions<got_shape, g.flat, g.height, g.width, g.channels>::type;
  using which = typename parameter_name<d.parameter>::type;
};

template <Fault F, class Of, class L>
struct verdict {
  static_assert(
      error::never<Of, L>,
      "strata: this fault is not one of a layer; a layer of your own reports Fault::custom, and core/sequential.hpp "
      "needs a STRATA_VERDICT line for each of the library's");
  using type = ok;
};
template <class Of, class L>
struct verdict<Fault::none, Of, L> {
  using type = ok;
};
// One line for each fault of a layer: the words that its error takes.
#define STRATA_VERDICT(fault, ...)                          \
  template <class Of, class L>                              \
  struct verdict<Fault::fault, Of, L> {                     \
    using w = words<Of>;                                    \
    using type = error::fault<typename w::at, __VA_ARGS__>; \
  }
STRATA_VERDICT(input_channels_differ, L, typename w::expected_number, typename w::got_number);
STRATA_VERDICT(kernel_larger_than_padded_input, L, typename w::expected_number, typename w::got_number);
STRATA_VERDICT(needs_flat_input, L, typename w::shape_here);
STRATA_VERDICT(needs_feature_map, L, typename w::shape_here);
STRATA_VERDICT(shape_differs, L, typename w::wanted_shape, typename w::shape_here);
STRATA_VERDICT(groups_do_not_divide_channels, L, typename w::expected_number, typename w::got_number);
STRATA_VERDICT(residual_shapes_differ, L, typename w::wanted_shape, typename w::shape_here);
STRATA_VERDICT(concat_shapes_differ, L, typename w::wanted_shape, typename w::shape_here);
STRATA_VERDICT(gate_shapes_differ, L, typename w::wanted_shape, typename w::shape_here);
STRATA_VERDICT(reshape_sizes_differ, L, typename w::wanted_shape, typename w::shape_here);
STRATA_VERDICT(channels_outside_range, L, typename w::expected_number, typename w::got_number);
STRATA_VERDICT(shortcut_misplaced, L);
STRATA_VERDICT(not_a_layer, L);
STRATA_VERDICT(input_not_first, L);
STRATA_VERDICT(not_positive, L, typename w::which, typename w::got_number);
STRATA_VERDICT(negative_padding, L, typename w::got_number);
STRATA_VERDICT(padding_removes_output, L, typename w::got_number);
STRATA_VERDICT(rate_outside_range, L);
STRATA_VERDICT(number_outside_range, L);
STRATA_VERDICT(options_contradict, L);
STRATA_VERDICT(option_not_taken, L);
STRATA_VERDICT(not_a_size, L);
STRATA_VERDICT(not_a_shape, L);
STRATA_VERDICT(window_does_not_tile, L, typename w::expected_number, typename w::got_number);
STRATA_VERDICT(size_overflows, L, typename w::got_number);
#undef STRATA_VERDICT
// Faults of the network as a whole.
template <class Of, class Net>
struct verdict<Fault::no_input, Of, Net> {
  using type = error::no_input<Net>;
};
template <class Of, class Net>
struct verdict<Fault::empty_network, Of, Net> {
  using type = error::empty_network<Net>;
};
// A layer's own error: its member template <class At, class Layer, class Expected, class Got> struct error.
template <class Of, class L>
struct verdict<Fault::custom, Of, L> {
  using w = words<Of>;
  using type = typename L::template error<typename w::at, L, typename w::expected_number, typename w::got_number>;
};

// The layer that a fault is about; the network where it is about no layer.
template <int Node, class Nodes, class Net>
struct blamed {
  using type = typename node<typename pick<Node, Nodes>::type>::layer;
};
template <class Nodes, class Net>
struct blamed<-1, Nodes, Net> {
  using type = Net;
};

template <class Nodes>
inline constexpr std::size_t layer_count = static_cast<std::size_t>(table_of<Nodes>::value.layers);

// The numbers of a network. Instantiating this reports the network's first fault.
template <class Net>
struct members {
  using nodes = typename expand<Net>::type;
  static constexpr const auto& table = table_of<nodes>::value;
  static constexpr Diagnosis diagnosis = table.diagnosis;
  static_assert(
      sizeof(typename verdict<diagnosis.fault, members, typename blamed<diagnosis.node, nodes, Net>::type>::type) != 0);

  static constexpr std::array<Shape, layer_count<nodes>> shapes = [] {
    std::array<Shape, layer_count<nodes>> s{};
    for (const Row& row : table.rows)
      if (row.layer >= 0) s[static_cast<std::size_t>(row.layer)] = row.out;
    return s;
  }();
};

}  // namespace detail
}  // namespace STRATA_ABI

template <class... Layers>
struct Sequential {
 private:
  using nodes = typename detail::expand<Sequential>::type;
  using checked = detail::members<Sequential>;
  // A block has no shapes of its own, so only a Sequential with an Input is checked here. A block that is used as a network
  // is checked by the first use of a member below.
  static constexpr bool is_network = [] {
    constexpr std::array<bool, sizeof...(Layers) + 1> inputs{detail::is_input<Layers>..., false};
    for (const bool input : inputs)
      if (input) return true;
    return false;
  }();
  static_assert(sizeof(std::conditional_t<is_network, checked, detail::ok>) != 0);

 public:
  static constexpr Shape input = checked::table.input;
  static constexpr Shape output = checked::table.output;
  static constexpr std::int64_t parameters = checked::table.parameters;  // trainable
  static constexpr std::int64_t macs = checked::table.macs;              // multiply-adds of one sample, forward
  static constexpr int layers = checked::table.layers;                   // of all blocks; Input is layer 0
  // The output shape of each layer.
  static constexpr std::array<Shape, detail::layer_count<nodes>> shapes = checked::shapes;

  // An upper bound for float32: weights, gradients, momentum and state, and for each sample every layer's output and its
  // gradient. Layers that work in place need less.
  static constexpr std::int64_t training_bytes(std::int64_t batch) {
    const std::int64_t kept = detail::saturating_add(detail::saturating_multiply(3, parameters), checked::table.state);
    const std::int64_t values = detail::saturating_multiply(2, batch, checked::table.outputs);
    return detail::saturating_multiply(4, detail::saturating_add(kept, values));
  }
  // An estimate for float32: weights and state, and for each sample twice the largest output. Branches may need more;
  // Model<Net, Cpu, Inference>::plan(batch, threads) is exact.
  static constexpr std::int64_t inference_bytes(std::int64_t batch) {
    const std::int64_t kept = detail::saturating_add(parameters, checked::table.state);
    const std::int64_t values = detail::saturating_multiply(2, batch, checked::table.largest);
    return detail::saturating_multiply(4, detail::saturating_add(kept, values));
  }
};

}  // namespace strata
