// SPDX-License-Identifier: BSL-1.0
// The functions of onnx_nodes.hpp. https://onnx.ai/onnx/operators describes the operators.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/io/onnx_nodes.hpp>

namespace strata::inline STRATA_ABI::detail {

using Integers = std::vector<std::int64_t>;

// A tensor with its dimensions in another order.
STRATA_DEFINE std::string reordered_constant(OnnxGraph& graph, const Tensor& t, std::array<std::size_t, 4> order) {
  Integers shape;
  for (const std::size_t i : order) shape.push_back(t.shape[i]);
  return graph.constant(t.name, shape, transposed(t.data, t.shape, order));
}
// One number for each channel, in the order of the layer's input.
STRATA_DEFINE std::string channel_constant(OnnxGraph& graph, const OnnxInput& in, const std::string& name,
                                           std::span<const float> values) {
  const Integers shape{static_cast<std::int64_t>(values.size())};
  if (in.order.size() == 0) return graph.constant(name, shape, values);
  return graph.constant(name, shape, channels_first(values, in.order, 1));
}
// The same, to be broadcast over the places of a map.
STRATA_DEFINE std::string broadcast_constant(OnnxGraph& graph, const OnnxInput& in, const Tensor& t) {
  if (in.in.flat) return channel_constant(graph, in, t.name, t.data);
  return graph.constant(t.name, {in.in.channels, 1, 1}, t.data);
}
STRATA_DEFINE std::string transpose(OnnxGraph& graph, const std::string& x, Integers order) {
  return graph.node("Transpose", {x}, {{"perm", std::move(order)}});
}
STRATA_DEFINE std::string reshape(OnnxGraph& graph, const std::string& x, const Integers& shape) {
  return graph.node("Reshape", {x, graph.integers(shape)});  // 0 keeps a dimension
}

// ---- Windows ---------------------------------------------------------------------------------------------------------

// The padding at the end with which ONNX's rule for the size, floor((input + padding - extent) / stride) + 1, gives this
// output: what the author wrote, if it does; the least otherwise, as with CeilMode.
STRATA_DEFINE int end_padding(int input, int output, int kernel, int stride, int dilation, int before, int after) {
  const int extent = dilation * (kernel - 1) + 1;
  if (input + before + after >= extent && (input + before + after - extent) / stride + 1 == output) return after;
  return std::max(0, (output - 1) * stride + extent - input - before);
}
STRATA_DEFINE Window with_end_padding(const Geometry& g) {
  Window w = g.window;
  w.pad_bottom = end_padding(g.in.height, g.out.height, w.kernel_h, w.stride_h, w.dilation_h, w.pad_top, w.pad_bottom);
  w.pad_right = end_padding(g.in.width, g.out.width, w.kernel_w, w.stride_w, w.dilation_w, w.pad_left, w.pad_right);
  return w;
}
STRATA_DEFINE std::vector<OnnxAttribute> window_attributes(const Window& w, bool dilations) {
  std::vector<OnnxAttribute> a{{"kernel_shape", Integers{w.kernel_h, w.kernel_w}},
                               {"strides", Integers{w.stride_h, w.stride_w}},
                               {"pads", Integers{w.pad_top, w.pad_left, w.pad_bottom, w.pad_right}}};
  if (dilations) a.push_back({"dilations", Integers{w.dilation_h, w.dilation_w}});
  return a;
}
// ONNX Runtime refuses pools with more.
STRATA_DEFINE bool pads_less_than_kernel(const Window& w) {
  return std::max(w.pad_top, w.pad_bottom) < w.kernel_h && std::max(w.pad_left, w.pad_right) < w.kernel_w;
}
// For each output position of one axis, the taps that count.
STRATA_DEFINE std::vector<int> taps_on_rows(const Geometry& g, bool count_padding) {
  const Window& w = g.window;
  std::vector<int> counts;
  for (int i = 0; i < g.out.height; ++i)
    counts.push_back(
        counted_taps(i, w.kernel_h, w.stride_h, w.dilation_h, w.pad_top, w.pad_bottom, g.in.height, count_padding));
  return counts;
}
STRATA_DEFINE std::vector<int> taps_on_columns(const Geometry& g, bool count_padding) {
  const Window& w = g.window;
  std::vector<int> counts;
  for (int i = 0; i < g.out.width; ++i)
    counts.push_back(
        counted_taps(i, w.kernel_w, w.stride_w, w.dilation_w, w.pad_left, w.pad_right, g.in.width, count_padding));
  return counts;
}

STRATA_DEFINE std::string onnx_conv(OnnxGraph& graph, const OnnxInput& in, const Geometry& g) {
  std::vector<std::string> inputs{in.x, reordered_constant(graph, in.tensors[0], {3, 2, 0, 1})};
  if (in.tensors.size() > 1) inputs.push_back(graph.constant(in.tensors[1].name, in.tensors[1].shape, in.tensors[1].data));
  std::vector<OnnxAttribute> attributes = window_attributes(with_end_padding(g), true);
  attributes.push_back({"group", std::int64_t{g.groups}});
  return graph.node("Conv", std::move(inputs), std::move(attributes));
}

STRATA_DEFINE std::string onnx_conv_transpose(OnnxGraph& graph, const OnnxInput& in, const Geometry& g) {
  // (KH,KW,filters,channels) -> (channels,filters,KH,KW)
  std::vector<std::string> inputs{in.x, reordered_constant(graph, in.tensors[0], {3, 2, 0, 1})};
  if (in.tensors.size() > 1) inputs.push_back(graph.constant(in.tensors[1].name, in.tensors[1].shape, in.tensors[1].data));
  Window w = g.window;
  // output = (input - 1) stride + extent - before - after + extra, and one of after and extra is 0.
  const auto rest = [](int input, int output, int kernel, int stride, int dilation, int before) {
    return (input - 1) * stride + dilation * (kernel - 1) + 1 - before - output;
  };
  const int bottom = rest(in.in.height, in.out.height, w.kernel_h, w.stride_h, w.dilation_h, w.pad_top);
  const int right = rest(in.in.width, in.out.width, w.kernel_w, w.stride_w, w.dilation_w, w.pad_left);
  w.pad_bottom = std::max(0, bottom), w.pad_right = std::max(0, right);
  std::vector<OnnxAttribute> attributes = window_attributes(w, true);
  attributes.push_back({"output_padding", Integers{std::max(0, -bottom), std::max(0, -right)}});
  return graph.node("ConvTranspose", std::move(inputs), std::move(attributes));
}

STRATA_DEFINE std::string onnx_dense(OnnxGraph& graph, const OnnxInput& in) {
  const Tensor& kernel = in.tensors[0];
  std::vector<std::string> inputs{
      in.x, in.order.size() == 0
                ? graph.constant(kernel.name, kernel.shape, kernel.data)
                : graph.constant(kernel.name, kernel.shape, channels_first(kernel.data, in.order, kernel.shape[1]))};
  if (in.tensors.size() > 1) inputs.push_back(graph.constant(in.tensors[1].name, in.tensors[1].shape, in.tensors[1].data));
  return graph.node("Gemm", std::move(inputs));
}

// The input with its padding written out, which `value` fills; the window then has none.
STRATA_DEFINE std::string padded(OnnxGraph& graph, const std::string& x, Window& w, float value) {
  const Integers pads{0, 0, w.pad_top, w.pad_left, 0, 0, w.pad_bottom, w.pad_right};
  w.pad_top = w.pad_left = w.pad_bottom = w.pad_right = 0;
  return graph.node("Pad", {x, graph.integers(pads), graph.number(value)});
}

STRATA_DEFINE std::string onnx_max_pool(OnnxGraph& graph, const OnnxInput& in, const Geometry& g) {
  Window w = with_end_padding(g);
  std::string x = in.x;
  if (!pads_less_than_kernel(w)) x = padded(graph, x, w, -std::numeric_limits<float>::infinity());
  const std::string y = graph.node("MaxPool", {x}, window_attributes(w, true));
  // A window without any element gives 0 here, and minus infinity in ONNX.
  std::vector<bool> real;
  for (const int rows : taps_on_rows(g, false))
    for (const int columns : taps_on_columns(g, false)) real.push_back(rows > 0 && columns > 0);
  if (std::find(real.begin(), real.end(), false) == real.end()) return y;
  return graph.node("Where", {graph.flags({1, 1, g.out.height, g.out.width}, real), y, graph.number(0)});
}

STRATA_DEFINE std::string onnx_avg_pool(OnnxGraph& graph, const OnnxInput& in, const Geometry& g, bool count_padding) {
  const Window w = with_end_padding(g);
  // Opset 17 has no dilation here, and programs do not agree on a window beyond a padding that counts.
  const bool within = w.pad_bottom <= g.window.pad_bottom && w.pad_right <= g.window.pad_right;
  if (w.dilation_h == 1 && w.dilation_w == 1 && pads_less_than_kernel(w) && (within || !count_padding)) {
    std::vector<OnnxAttribute> attributes = window_attributes(w, false);
    attributes.push_back({"count_include_pad", std::int64_t{count_padding ? 1 : 0}});
    return graph.node("AveragePool", {in.x}, std::move(attributes));
  }
  // Sums by a convolution of each channel, times one divided by the number of elements.
  const Integers shape{in.in.channels, 1, w.kernel_h, w.kernel_w};
  const std::vector<float> ones(static_cast<std::size_t>(shape[0] * shape[2] * shape[3]), 1.f);
  std::vector<OnnxAttribute> attributes = window_attributes(w, true);
  attributes.push_back({"group", std::int64_t{in.in.channels}});
  const std::string sum = graph.node("Conv", {in.x, graph.numbers(shape, ones)}, std::move(attributes));
  std::vector<float> shares;
  for (const int rows : taps_on_rows(g, count_padding))
    for (const int columns : taps_on_columns(g, count_padding))
      shares.push_back(rows * columns > 0 ? 1.f / static_cast<float>(rows * columns) : 0.f);
  return graph.node("Mul", {sum, graph.numbers({1, 1, g.out.height, g.out.width}, shares)});
}

STRATA_DEFINE std::string onnx_global_pool(OnnxGraph& graph, const OnnxInput& in, const char* op) {
  return graph.node("Flatten", {graph.node(op, {in.x})}, {{"axis", std::int64_t{1}}});
}

// ---- Normalizations --------------------------------------------------------------------------------------------------

// gamma or beta; ones or zeros if the layer has none.
STRATA_DEFINE std::string norm_constant(OnnxGraph& graph, const OnnxInput& in, const OnnxNorm& norm, bool scale) {
  if (scale ? norm.has_scale : norm.has_shift) {
    const Tensor& t = in.tensors[scale || !norm.has_scale ? 0 : 1];
    return channel_constant(graph, in, t.name, t.data);
  }
  const std::vector<float> same(static_cast<std::size_t>(in.in.channels), scale ? 1.f : 0.f);
  return graph.numbers({in.in.channels}, same);
}

STRATA_DEFINE std::string onnx_batch_norm(OnnxGraph& graph, const OnnxInput& in, const OnnxNorm& norm) {
  const Tensor &mean = in.tensors[in.tensors.size() - 2], &variance = in.tensors[in.tensors.size() - 1];
  std::vector<std::string> inputs{in.x, norm_constant(graph, in, norm, true), norm_constant(graph, in, norm, false),
                                  channel_constant(graph, in, mean.name, mean.data),
                                  channel_constant(graph, in, variance.name, variance.data)};
  return graph.node("BatchNormalization", std::move(inputs), {{"epsilon", static_cast<float>(norm.epsilon)}});
}

// Opset 17 has no operator for groups; its instance normalization is that of one group for each channel.
STRATA_DEFINE std::string onnx_group_norm(OnnxGraph& graph, const OnnxInput& in, const OnnxNorm& norm, int groups) {
  const std::vector<float> ones(static_cast<std::size_t>(groups), 1.f), zeros(static_cast<std::size_t>(groups), 0.f);
  std::string y = reshape(graph, in.x, {0, groups, -1});
  y = graph.node("InstanceNormalization", {y, graph.numbers({groups}, ones), graph.numbers({groups}, zeros)},
                 {{"epsilon", static_cast<float>(norm.epsilon)}});
  y = in.in.flat ? reshape(graph, y, {0, in.in.channels})
                 : reshape(graph, y, {0, in.in.channels, in.in.height, in.in.width});
  if (norm.has_scale) y = graph.node("Mul", {y, broadcast_constant(graph, in, in.tensors[0])});
  if (norm.has_shift) y = graph.node("Add", {y, broadcast_constant(graph, in, in.tensors[norm.has_scale ? 1 : 0])});
  return y;
}

STRATA_DEFINE std::string onnx_layer_norm(OnnxGraph& graph, const OnnxInput& in, const OnnxNorm& norm) {
  const std::string x = in.in.flat ? in.x : transpose(graph, in.x, {0, 2, 3, 1});
  const std::string y =
      graph.node("LayerNormalization", {x, norm_constant(graph, in, norm, true), norm_constant(graph, in, norm, false)},
                 {{"axis", std::int64_t{-1}}, {"epsilon", static_cast<float>(norm.epsilon)}});
  return in.in.flat ? y : transpose(graph, y, {0, 3, 1, 2});
}

STRATA_DEFINE std::string onnx_lrn(OnnxGraph& graph, const OnnxInput& in, const LrnParameters& p) {
  const auto alpha = static_cast<float>(p.alpha), beta = static_cast<float>(p.beta), k = static_cast<float>(p.k);
  if (p.n % 2 == 1)  // ONNX divides alpha by the size
    return graph.node(
        "LRN", {in.x},
        {{"size", std::int64_t{p.n}}, {"alpha", static_cast<float>(p.alpha * p.n)}, {"beta", beta}, {"bias", k}});
  // Programs do not agree on an even size. Here the extra channel is before; a convolution sums the squares.
  const int channels = in.in.channels;
  std::vector<float> band(static_cast<std::size_t>(channels) * static_cast<std::size_t>(channels), 0.f);
  for (int i = 0; i < channels; ++i)
    for (int j = std::max(0, i - p.n / 2); j < std::min(channels, i + p.n / 2); ++j)
      band[static_cast<std::size_t>(i) * static_cast<std::size_t>(channels) + static_cast<std::size_t>(j)] = alpha;
  const std::string squares = graph.node("Mul", {in.x, in.x});
  const std::string sums =
      graph.node("Conv", {squares, graph.numbers({channels, channels, 1, 1}, band)}, {{"kernel_shape", Integers{1, 1}}});
  const std::string scale = graph.node("Pow", {graph.node("Add", {sums, graph.number(k)}), graph.number(beta)});
  return graph.node("Div", {in.x, scale});
}

// ---- Elements and places ---------------------------------------------------------------------------------------------

STRATA_DEFINE std::string onnx_prelu(OnnxGraph& graph, const OnnxInput& in) {
  return graph.node("PRelu", {in.x, broadcast_constant(graph, in, in.tensors[0])});
}

// The formulas as PyTorch exports them, which other programs recognize and fuse.
STRATA_DEFINE std::string onnx_gelu(OnnxGraph& graph, const OnnxInput& in) {
  const std::string scaled = graph.node("Div", {in.x, graph.number(1.41421356237309504880f)});
  const std::string below = graph.node("Add", {graph.node("Erf", {scaled}), graph.number(1)});
  return graph.node("Mul", {graph.node("Mul", {in.x, below}), graph.number(0.5f)});
}
STRATA_DEFINE std::string onnx_gelu_tanh(OnnxGraph& graph, const OnnxInput& in) {
  const std::string cube = graph.node("Mul", {graph.node("Pow", {in.x, graph.number(3)}), graph.number(0.044715f)});
  const std::string u = graph.node("Mul", {graph.node("Add", {in.x, cube}), graph.number(0.79788456080286535588f)});
  const std::string below = graph.node("Add", {graph.node("Tanh", {u}), graph.number(1)});
  return graph.node("Mul", {graph.node("Mul", {in.x, graph.number(0.5f)}), below});
}

STRATA_DEFINE std::string onnx_upsample(OnnxGraph& graph, const OnnxInput& in, const Upsampling& u) {
  const std::array<float, 4> scales{1.f, 1.f, static_cast<float>(u.rows), static_cast<float>(u.columns)};
  const std::string by = graph.numbers({4}, scales);
  if (u.bilinear)
    return graph.node("Resize", {in.x, "", by},
                      {{"mode", std::string("linear")}, {"coordinate_transformation_mode", std::string("half_pixel")}});
  return graph.node("Resize", {in.x, "", by},
                    {{"mode", std::string("nearest")},
                     {"coordinate_transformation_mode", std::string("asymmetric")},
                     {"nearest_mode", std::string("floor")}});
}

// strata's maps and vectors are ordered by row, column and channel.
STRATA_DEFINE std::string onnx_reshape(OnnxGraph& graph, const OnnxInput& in) {
  const std::string from = in.in.flat ? in.x : transpose(graph, in.x, {0, 2, 3, 1});
  return transpose(graph, reshape(graph, from, {0, in.out.height, in.out.width, in.out.channels}), {0, 3, 1, 2});
}
STRATA_DEFINE std::string onnx_channels(OnnxGraph& graph, const OnnxInput& in, int first, int count) {
  const auto one = [&graph](std::int64_t n) { return graph.integers(Integers{n}); };
  return graph.node("Slice", {in.x, one(first), one(std::int64_t{first} + count), one(1)});
}

STRATA_DEFINE std::string onnx_channel_shuffle(OnnxGraph& graph, const OnnxInput& in, int groups) {
  const Shape s = in.in;
  const std::int64_t each = s.channels / groups;
  const std::string split =
      reshape(graph, in.x, s.flat ? Integers{0, groups, each} : Integers{0, groups, each, s.height, s.width});
  const std::string turned = transpose(graph, split, s.flat ? Integers{0, 2, 1} : Integers{0, 2, 1, 3, 4});
  return reshape(graph, turned, s.flat ? Integers{0, s.channels} : Integers{0, s.channels, s.height, s.width});
}

// ---- Joins -----------------------------------------------------------------------------------------------------------

STRATA_DEFINE std::string onnx_sum(OnnxGraph& graph, const OnnxBranches& of) {
  return graph.node("Add", {of.branches[0].x, of.branches[1].x});
}
STRATA_DEFINE std::string onnx_gate(OnnxGraph& graph, const OnnxBranches& of) {
  const OnnxBranch &x = of.branches[0], &gate = of.branches[1];
  if (x.shape.flat || !gate.shape.flat) return graph.node("Mul", {x.x, gate.x});
  return graph.node("Mul", {x.x, graph.node("Unsqueeze", {gate.x, graph.integers(Integers{2, 3})})});
}
STRATA_DEFINE std::string onnx_concat(OnnxGraph& graph, const OnnxBranches& of) {
  std::vector<std::string> inputs;
  for (const OnnxBranch& branch : of.branches) inputs.push_back(branch.x);
  if (inputs.size() == 1) return inputs[0];
  return graph.node("Concat", std::move(inputs), {{"axis", std::int64_t{1}}});
}

}  // namespace strata::inline STRATA_ABI::detail
