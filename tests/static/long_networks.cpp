// SPDX-License-Identifier: BSL-1.0
// Networks of hundreds of layers compile under the compilers' default limits: the depth of templates, the steps of a
// constant evaluation, and the operands of a fold expression. Layers made of layers can be written outside the library.
#include <utility>

#include <strata/model/fingerprint.hpp>
#include <strata/network.hpp>

namespace {
using namespace strata;

template <class Indices, template <std::size_t> class Layer, class... Ends>
struct chain;
template <std::size_t... I, template <std::size_t> class Layer, class... Ends>
struct chain<std::index_sequence<I...>, Layer, Ends...> {
  using type = Sequential<Input<8, 8, 4>, Layer<I>..., Ends...>;
};
template <std::size_t Count, template <std::size_t> class Layer, class... Ends>
using Chain = typename chain<std::make_index_sequence<Count>, Layer, Ends...>::type;

// --- One chain of 300 layers --------------------------------------------------------------------------------------------
template <std::size_t>
using Relu = ReLU;
using Plain = Chain<300, Relu, Flatten, Dense<10>>;
static_assert(Plain::output == Shape{10} && Plain::layers == 303 && Plain::parameters == 257 * 10);
static_assert(diagnose<Plain, SoftmaxCrossEntropy>().ok());
[[maybe_unused]] const auto fingerprint = &architecture_fingerprint<Plain>;

// Of 300 different types, which compilers cannot take for one.
template <std::size_t I>
using Different = Conv<3, 4 + static_cast<int>(I)>;
using Grows = Chain<300, Different, Flatten, Dense<10>>;
static_assert(Grows::layers == 303 && Grows::shapes[300] == Shape{8, 8, 303});
static_assert(diagnose<Chain<300, Different, Dense<10>>>().fault == Fault::needs_flat_input);
static_assert(diagnose<Chain<300, Different, Dense<10>>>().layer == 301);

// --- 300 layers in branches ---------------------------------------------------------------------------------------------
template <std::size_t I>
using Block = Residual<Conv<3, 4>, ReLU, Sequential<Conv<3, 4>, Shortcut<Conv<1, 4>>>>;
using Residuals = Chain<60, Block, Flatten, Dense<10>>;
static_assert(Residuals::layers == 303 && Residuals::output == Shape{10});
using Wide = Sequential<Input<2, 2, 1>, Chain<0, Relu>>;  // a network in a network, which is an error of its own
static_assert(diagnose<Wide>().fault == Fault::input_not_first);
template <class Indices>
struct branches;
template <std::size_t... I>
struct branches<std::index_sequence<I...>> {
  using type = Sequential<Input<2, 2, 1>, Concat<Conv<1, 1 + static_cast<int>(I % 2)>...>>;
};
using Fan = branches<std::make_index_sequence<300>>::type;
static_assert(Fan::output == Shape{2, 2, 450} && Fan::layers == 302);

// --- Lists of types -----------------------------------------------------------------------------------------------------
template <int>
struct Numbered {};
template <int... I>
constexpr bool concat_keeps_order(std::integer_sequence<int, I...>) {
  using detail::List;
  return std::same_as<typename detail::concat<List<Numbered<I>>...>::type, List<Numbered<I>...>>;
}
static_assert(concat_keeps_order(std::make_integer_sequence<int, 0>{}));
static_assert(concat_keeps_order(std::make_integer_sequence<int, 1>{}));
static_assert(concat_keeps_order(std::make_integer_sequence<int, 2>{}));
static_assert(concat_keeps_order(std::make_integer_sequence<int, 7>{}));
static_assert(concat_keeps_order(std::make_integer_sequence<int, 8>{}));
static_assert(concat_keeps_order(std::make_integer_sequence<int, 9>{}));
static_assert(concat_keeps_order(std::make_integer_sequence<int, 64>{}));
static_assert(concat_keeps_order(std::make_integer_sequence<int, 65>{}));
static_assert(concat_keeps_order(std::make_integer_sequence<int, 300>{}));
template <int... I>
constexpr bool picks_each(std::integer_sequence<int, I...>) {
  constexpr std::array<bool, sizeof...(I)> picked{
      std::same_as<typename detail::pick<I, detail::List<Numbered<I>...>>::type, Numbered<I>>...};
  for (const bool right : picked)
    if (!right) return false;
  return true;
}
static_assert(picks_each(std::make_integer_sequence<int, 300>{}));

// --- The nodes of the library's own layers made of layers ---------------------------------------------------------------
using graph::Fork, graph::Join, graph::Next, graph::Nodes;
template <class L, class... Expected>
inline constexpr bool expands_to = std::same_as<typename detail::expand<L>::type, Nodes<Expected...>>;
static_assert(expands_to<ReLU, ReLU> && expands_to<Sequential<>> &&
              expands_to<Sequential<Tanh, Sequential<ReLU>>, Tanh, ReLU>);
using Same_ = Residual<Tanh, ReLU>;
static_assert(expands_to<Same_, Fork, Tanh, ReLU, Join<Same_>>);
using Projected = Residual<Tanh, Shortcut<ReLU, Flatten>>;
static_assert(expands_to<Projected, Fork, Tanh, Next, ReLU, Flatten, Join<Projected>>);
using Trailing = Residual<Tanh, Sequential<ReLU, Sequential<Shortcut<>>>>;
static_assert(expands_to<Trailing, Fork, Tanh, ReLU, Next, Join<Trailing>>);
using Early = Residual<Shortcut<ReLU>, Tanh>;
static_assert(expands_to<Early, Fork, Shortcut<ReLU>, Tanh, Join<Early>>);
using Twice = Residual<Shortcut<ReLU>, Shortcut<Shortcut<Tanh>>>;
static_assert(expands_to<Twice, Fork, Shortcut<ReLU>, Next, Shortcut<Tanh>, Join<Twice>>);
using Inside = Residual<Same_, Shortcut<Projected>>;
static_assert(expands_to<Inside, Fork, Fork, Tanh, ReLU, Join<Same_>, Next, Fork, Tanh, Next, ReLU, Flatten,
                         Join<Projected>, Join<Inside>>);
using Three = Concat<Tanh, Sequential<>, Same_>;
static_assert(expands_to<Three, Fork, Tanh, Next, Next, Fork, Tanh, ReLU, Join<Same_>, Join<Three>>);
static_assert(diagnose<Sequential<Input<2, 2, 1>, Concat<>>>().fault == Fault::not_a_layer);

// --- Layers made of layers from outside the library ---------------------------------------------------------------------
// A name for a sequence.
template <int Filters>
struct ConvBlock {
  using nodes = Nodes<Conv<3, Filters, NoBias>, BatchNorm, ReLU>;
};
static_assert(expands_to<ConvBlock<8>, Conv<3, 8, NoBias>, BatchNorm, ReLU>);
// Two branches that meet by a rule of their own: the larger of the two.
template <class First, class Second>
struct Maximum {
  using nodes = Nodes<Fork, First, Next, Second, Join<Maximum>>;
  static constexpr LayerInfo join(Shape first, Shape second) {
    LayerInfo s;
    s.out = first;
    s.values = Values::any;
    if (!(first == second)) s.fault = Fault::custom;
    return s;
  }
};
using Own = Sequential<Input<8, 8, 3>, ConvBlock<8>, Maximum<ConvBlock<4>, Residual<Conv<1, 8>, Conv<1, 8>>>>;
static_assert(diagnose<Own>().fault == Fault::custom && diagnose<Own>().layer == 10);
using Right = Sequential<Input<8, 8, 3>, ConvBlock<8>, Maximum<ConvBlock<8>, Residual<Conv<1, 8>, Conv<1, 8>>>>;
static_assert(Right::output == Shape{8, 8, 8} && Right::layers == 11);

}  // namespace
