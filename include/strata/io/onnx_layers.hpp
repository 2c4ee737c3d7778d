// SPDX-License-Identifier: BSL-1.0
// The layers of the library as ONNX, and the graph of a model. A new layer adds its specialization of OnnxLayer here;
// io/onnx_graph.hpp says how.
#pragma once
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/diagnose.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/summary.hpp>
#include <strata/core/tensor_info.hpp>
#include <strata/io/onnx_graph.hpp>
#include <strata/io/onnx_nodes.hpp>
#include <strata/io/weights_file.hpp>
#include <strata/layers/activations.hpp>
#include <strata/layers/channel_shuffle.hpp>
#include <strata/layers/combine.hpp>
#include <strata/layers/conv.hpp>
#include <strata/layers/conv_transpose.hpp>
#include <strata/layers/dense.hpp>
#include <strata/layers/dropout.hpp>
#include <strata/layers/expect.hpp>
#include <strata/layers/input.hpp>
#include <strata/layers/normalization.hpp>
#include <strata/layers/pool.hpp>
#include <strata/layers/prelu.hpp>
#include <strata/layers/reshape.hpp>
#include <strata/layers/upsample.hpp>
#include <strata/model/fingerprint.hpp>
#include <strata/model/model.hpp>

namespace strata::inline STRATA_ABI {

// ---- Layers that compute nothing when a network predicts --------------------------------------------------------------

struct OnnxNothing {
  static constexpr OnnxOrder order = OnnxOrder::kept;
};
template <int Height, int Width, int Channels>
struct OnnxLayer<Input<Height, Width, Channels>> : OnnxNothing {};
template <int... Dimensions>
struct OnnxLayer<Expect<Dimensions...>> : OnnxNothing {};
template <auto Rate>
struct OnnxLayer<Dropout<Rate>> : OnnxNothing {};
template <auto Rate>
struct OnnxLayer<StochasticDepth<Rate>> : OnnxNothing {};
// The walk over the nodes writes it, since it changes the order of the elements.
template <>
struct OnnxLayer<Flatten> : OnnxNothing {
  static constexpr bool flattens = true;
};

// ---- Products ---------------------------------------------------------------------------------------------------------

template <auto Size, int Filters, class... Options>
struct OnnxLayer<Conv<Size, Filters, Options...>> {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return detail::onnx_conv(graph, in, Conv<Size, Filters, Options...>::geometry(in.in));
  }
};
template <auto Size, int Filters, class... Options>
struct OnnxLayer<ConvTranspose<Size, Filters, Options...>> {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return detail::onnx_conv_transpose(graph, in, ConvTranspose<Size, Filters, Options...>::geometry(in.in));
  }
};
template <int Units, class... Options>
struct OnnxLayer<Dense<Units, Options...>> {
  static constexpr OnnxOrder order = OnnxOrder::taken;
  static std::string write(OnnxGraph& graph, const OnnxInput& in) { return detail::onnx_dense(graph, in); }
};

// ---- Maps -------------------------------------------------------------------------------------------------------------

template <auto Window, auto Stride_, class... Options>
struct OnnxLayer<MaxPool<Window, Stride_, Options...>> {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return detail::onnx_max_pool(graph, in, MaxPool<Window, Stride_, Options...>::geometry(in.in));
  }
};
template <auto Window, auto Stride_, class... Options>
struct OnnxLayer<AvgPool<Window, Stride_, Options...>> {
  using layer = AvgPool<Window, Stride_, Options...>;
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return detail::onnx_avg_pool(graph, in, layer::geometry(in.in), layer::counts_padding);
  }
};
template <>
struct OnnxLayer<GlobalAvgPool> {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return detail::onnx_global_pool(graph, in, "GlobalAveragePool");
  }
};
template <>
struct OnnxLayer<GlobalMaxPool> {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return detail::onnx_global_pool(graph, in, "GlobalMaxPool");
  }
};
template <auto Factor, class... Options>
struct OnnxLayer<Upsample<Factor, Options...>> {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return detail::onnx_upsample(graph, in, Upsample<Factor, Options...>::upsampling(in.in));
  }
};
template <int Groups>
struct OnnxLayer<ChannelShuffle<Groups>> {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return detail::onnx_channel_shuffle(graph, in, Groups);
  }
};
template <int Height, int Width, int Channels_>
struct OnnxLayer<Reshape<Height, Width, Channels_>> {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) { return detail::onnx_reshape(graph, in); }
};
template <int First, int Count>
struct OnnxLayer<Channels<First, Count>> {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) { return detail::onnx_channels(graph, in, First, Count); }
};

// ---- Normalizations ---------------------------------------------------------------------------------------------------

namespace detail {
template <class L>
constexpr OnnxNorm onnx_norm() {
  return {L::epsilon, L::has_scale, L::has_shift};
}
template <class L>
struct OnnxBatchNorm {
  static constexpr OnnxOrder order = OnnxOrder::kept;
  static std::string write(OnnxGraph& graph, const OnnxInput& in) { return onnx_batch_norm(graph, in, onnx_norm<L>()); }
};
template <class L>
struct OnnxLayerNorm {
  static constexpr OnnxOrder order = OnnxOrder::kept;
  static std::string write(OnnxGraph& graph, const OnnxInput& in) { return onnx_layer_norm(graph, in, onnx_norm<L>()); }
};
}  // namespace detail
template <>
struct OnnxLayer<BatchNorm> : detail::OnnxBatchNorm<BatchNorm> {};
template <class... Options>
struct OnnxLayer<BatchNormOf<Options...>> : detail::OnnxBatchNorm<BatchNormOf<Options...>> {};
template <>
struct OnnxLayer<LayerNorm> : detail::OnnxLayerNorm<LayerNorm> {};
template <class... Options>
struct OnnxLayer<LayerNormOf<Options...>> : detail::OnnxLayerNorm<LayerNormOf<Options...>> {};
template <int Groups, class... Options>
struct OnnxLayer<GroupNorm<Groups, Options...>> {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return detail::onnx_group_norm(graph, in, detail::onnx_norm<GroupNorm<Groups, Options...>>(), Groups);
  }
};
template <int N, double K, double Alpha, double Beta>
struct OnnxLayer<LRN<N, K, Alpha, Beta>> {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return detail::onnx_lrn(graph, in, {.n = N, .k = K, .alpha = Alpha, .beta = Beta});
  }
};

// ---- Activations ------------------------------------------------------------------------------------------------------

struct OnnxElementwise {
  static constexpr OnnxOrder order = OnnxOrder::kept;
};
// One operator without attributes; its sums, if any, are over the whole vector.
#define STRATA_ONNX_SAME(layer, op)                                                                    \
  template <>                                                                                          \
  struct OnnxLayer<layer> : OnnxElementwise {                                                          \
    static std::string write(OnnxGraph& graph, const OnnxInput& in) { return graph.node(op, {in.x}); } \
  }
STRATA_ONNX_SAME(ReLU, "Relu");
STRATA_ONNX_SAME(Sigmoid, "Sigmoid");
STRATA_ONNX_SAME(Tanh, "Tanh");
STRATA_ONNX_SAME(HardSwish, "HardSwish");
STRATA_ONNX_SAME(Softplus, "Softplus");
#undef STRATA_ONNX_SAME
template <double Slope>
struct OnnxLayer<LeakyReLUOf<Slope>> : OnnxElementwise {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return graph.node("LeakyRelu", {in.x}, {{"alpha", static_cast<float>(Slope)}});
  }
};
template <double Alpha>
struct OnnxLayer<ELUOf<Alpha>> : OnnxElementwise {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return graph.node("Elu", {in.x}, {{"alpha", static_cast<float>(Alpha)}});
  }
};
template <auto Low, auto High>
struct OnnxLayer<Clip<Low, High>> : OnnxElementwise {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return graph.node("Clip", {in.x, graph.number(static_cast<float>(Low)), graph.number(static_cast<float>(High))});
  }
};
template <auto Factor>
struct OnnxLayer<Scale<Factor>> : OnnxElementwise {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return graph.node("Mul", {in.x, graph.number(static_cast<float>(Factor))});
  }
};
template <>
struct OnnxLayer<SiLU> : OnnxElementwise {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return graph.node("Mul", {in.x, graph.node("Sigmoid", {in.x})});
  }
};
template <>
struct OnnxLayer<HardSigmoid> : OnnxElementwise {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return graph.node("HardSigmoid", {in.x}, {{"alpha", 1.f / 6.f}, {"beta", 0.5f}});
  }
};
template <>
struct OnnxLayer<GELU> : OnnxElementwise {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) { return detail::onnx_gelu(graph, in); }
};
template <>
struct OnnxLayer<GELUTanh> : OnnxElementwise {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) { return detail::onnx_gelu_tanh(graph, in); }
};
template <>
struct OnnxLayer<PReLU> : OnnxElementwise {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) { return detail::onnx_prelu(graph, in); }
};
// The sums are over the whole vector, so that its order does not matter.
template <class L>
  requires(std::same_as<L, Softmax> || std::same_as<L, LogSoftmax>)
struct OnnxLayer<L> : OnnxElementwise {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return graph.node(L::name, {in.x}, {{"axis", std::int64_t{1}}});
  }
};

// ---- Joins ------------------------------------------------------------------------------------------------------------

template <class... Layers>
struct OnnxLayer<Residual<Layers...>> {
  static std::string join(OnnxGraph& graph, const OnnxBranches& of) { return detail::onnx_sum(graph, of); }
};
template <class... Layers>
struct OnnxLayer<Gate<Layers...>> {
  static std::string join(OnnxGraph& graph, const OnnxBranches& of) { return detail::onnx_gate(graph, of); }
};
template <class... Branches>
struct OnnxLayer<Concat<Branches...>> {
  static std::string join(OnnxGraph& graph, const OnnxBranches& of) { return detail::onnx_concat(graph, of); }
};

namespace detail {

template <class L>
inline constexpr bool known_to_onnx = requires { sizeof(OnnxLayer<L>); };

// The layer is in the name of this template, which compilers print.
template <class L>
struct onnx_knows {
  static_assert(known_to_onnx<L>, "strata: save_onnx does not know this layer; specialize strata::OnnxLayer for it");
};
template <>
struct onnx_knows<void> {};  // forks and the like

template <class L>
std::size_t tensor_count(Shape in) {
  return L::tensors(in).size();
}
template <class N>
constexpr OnnxStep make_onnx_step() {
  OnnxStep step;
  if constexpr (!std::is_void_v<typename node<N>::layer>) {
    using L = typename node<N>::layer;
    if constexpr (known_to_onnx<L>) {
      using Written = OnnxLayer<L>;
      step.name = name_of_node<N>();
      if constexpr (requires { Written::order; }) step.order = Written::order;
      if constexpr (requires { Written::flattens; }) step.flattens = true;
      if constexpr (requires { &Written::write; }) step.write = &Written::write;
      if constexpr (requires { &Written::join; }) step.join = &Written::join;
      if constexpr (requires { L::tensors(Shape{}); }) step.tensors = &tensor_count<L>;
    }
  }
  return step;
}
template <class N>
inline constexpr OnnxStep onnx_step = make_onnx_step<N>();
template <class Nodes>
struct onnx_steps;
template <class... N>
struct onnx_steps<List<N...>> {
  static_assert(((sizeof(onnx_knows<typename node<N>::layer>) != 0) && ...));
  static constexpr OnnxStep value[sizeof...(N)] = {onnx_step<N>...};
};

}  // namespace detail

// The graph that save_onnx() writes.
template <class Net, class Backend, class Mode>
[[nodiscard]] OnnxGraph onnx_graph(Model<Net, Backend, Mode>& model, const OnnxOptions& options = {}) {
  static_assert(std::is_same_v<typename Backend::scalar, float>, "strata: files of weights hold float32");
  std::vector<Tensor> tensors;
  std::vector<std::vector<float>> values;
  model.for_each_tensor([&](const std::string& name, const TensorInfo& info, std::span<float> numbers) {
    values.emplace_back(numbers.begin(), numbers.end());
    tensors.push_back(detail::tensor_of(name, info, values.back()));
  });
  using analysed = detail::analysed<Net>;
  OnnxGraph graph =
      detail::build_onnx(analysed::table.rows, detail::onnx_steps<typename analysed::nodes>::value, tensors, options);
  graph.metadata["strata.architecture"] = architecture_fingerprint<Net>();
  return graph;
}

}  // namespace strata::inline STRATA_ABI
