// SPDX-License-Identifier: BSL-1.0
// The functions of onnx_graph.hpp.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/io/onnx_graph.hpp>

namespace strata::inline STRATA_ABI {

static_assert(std::endian::native == std::endian::little, "strata: ONNX files are little-endian");

STRATA_DEFINE std::string OnnxGraph::unique(const std::string& name) {
  std::string free = name;
  for (int i = 1; !names_.insert(free).second; ++i) free = name + "_" + std::to_string(i);
  return free;
}

STRATA_DEFINE std::string OnnxGraph::node(std::string op, std::vector<std::string> inputs,
                                          std::vector<OnnxAttribute> attributes) {
  const std::string name = unique(layer_ + "/" + op);
  nodes_.push_back({name, std::move(op), std::move(inputs), name, std::move(attributes)});
  return name;
}

STRATA_DEFINE std::string OnnxGraph::add(std::string name, OnnxType type, std::vector<std::int64_t> shape,
                                         std::string bytes) {
  constants_.push_back({unique(name), type, std::move(shape), std::move(bytes)});
  return constants_.back().name;
}

namespace detail {
template <class T>
std::string onnx_bytes(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}
}  // namespace detail

STRATA_DEFINE std::string OnnxGraph::constant(std::string name, std::vector<std::int64_t> shape,
                                              std::span<const float> values) {
  return add(std::move(name), OnnxType::float32, std::move(shape), detail::onnx_bytes(values));
}
STRATA_DEFINE std::string OnnxGraph::numbers(std::vector<std::int64_t> shape, std::span<const float> values) {
  return constant(layer_ + "/constant", std::move(shape), values);
}
STRATA_DEFINE std::string OnnxGraph::number(float value) { return numbers({}, std::span(&value, 1)); }
STRATA_DEFINE std::string OnnxGraph::integers(std::span<const std::int64_t> values) {
  return add(layer_ + "/constant", OnnxType::int64, {static_cast<std::int64_t>(values.size())}, detail::onnx_bytes(values));
}
STRATA_DEFINE std::string OnnxGraph::flags(std::vector<std::int64_t> shape, const std::vector<bool>& values) {
  std::string bytes;
  for (const bool value : values) bytes += value ? '\1' : '\0';
  return add(layer_ + "/constant", OnnxType::boolean, std::move(shape), std::move(bytes));
}

STRATA_DEFINE void OnnxGraph::finish(const std::string& from, OnnxPort port) {
  if (port.name.empty() || (port.name != from && names_.contains(port.name)))
    throw std::invalid_argument("strata: the output of an ONNX graph is named \"" + port.name +
                                "\", which is empty or the name of another value");
  for (OnnxNode& n : nodes_) {
    if (n.output == from) n.output = port.name;
    for (std::string& name : n.inputs)
      if (name == from) name = port.name;
  }
  output = std::move(port);
}

namespace detail {

STRATA_DEFINE std::vector<float> transposed(std::span<const float> values, std::span<const std::int64_t> shape,
                                            std::span<const std::size_t> order) {
  const std::size_t rank = shape.size();
  std::vector<std::int64_t> stride(rank, 1), size(rank), step(rank);
  for (std::size_t i = rank; i-- > 1;) stride[i - 1] = stride[i] * shape[i];
  for (std::size_t i = 0; i < rank; ++i) size[i] = shape[order[i]], step[i] = stride[order[i]];
  std::vector<std::int64_t> at(rank, 0);
  std::vector<float> out;
  out.reserve(values.size());
  std::int64_t from = 0;
  for (std::size_t n = 0; n < values.size(); ++n) {
    out.push_back(values[static_cast<std::size_t>(from)]);
    for (std::size_t i = rank; i-- > 0;) {
      from += step[i];
      if (++at[i] < size[i]) break;
      from -= step[i] * size[i];
      at[i] = 0;
    }
  }
  return out;
}

STRATA_DEFINE std::vector<float> channels_first(std::span<const float> values, Shape map, std::int64_t width) {
  return transposed(values, std::array<std::int64_t, 3>{std::int64_t{map.height} * map.width, map.channels, width},
                    std::array<std::size_t, 3>{1, 0, 2});
}

// A value of the graph while a network is written.
struct OnnxValue {
  std::string name;
  Shape shape, order;
  bool to_flatten = false;  // `name` is still the map, since its reader decides about the order
};

STRATA_DEFINE std::string flatten(OnnxGraph& graph, const std::string& map) {
  return graph.node("Flatten", {map}, {{"axis", std::int64_t{1}}});
}
STRATA_DEFINE OnnxValue in_any_order(OnnxGraph& graph, OnnxValue v) {
  if (std::exchange(v.to_flatten, false)) v.name = flatten(graph, v.name);
  return v;
}
// The same vector in strata's order.
STRATA_DEFINE OnnxValue in_own_order(OnnxGraph& graph, OnnxValue v) {
  if (v.order.size() == 0) return in_any_order(graph, std::move(v));
  if (!v.to_flatten) {
    const std::array<std::int64_t, 4> map{0, v.order.channels, v.order.height, v.order.width};
    v.name = graph.node("Reshape", {v.name, graph.integers(map)});
  }
  v.name = flatten(graph, graph.node("Transpose", {v.name}, {{"perm", std::vector<std::int64_t>{0, 2, 3, 1}}}));
  v.order = Shape{};
  v.to_flatten = false;
  return v;
}

STRATA_DEFINE OnnxValue flattened(const OnnxValue& v) {
  if (v.shape.flat) return v;
  OnnxValue flat{v.name, Shape{static_cast<int>(v.shape.size())}, {}, true};
  if (v.shape.channels > 1 && v.shape.height * v.shape.width > 1) flat.order = v.shape;
  return flat;
}

STRATA_DEFINE OnnxPort onnx_port(std::string name, Shape shape, OnnxLayout layout) {
  if (shape.flat) return {std::move(name), {shape.channels}};
  if (layout == OnnxLayout::nhwc) return {std::move(name), {shape.height, shape.width, shape.channels}};
  return {std::move(name), {shape.channels, shape.height, shape.width}};
}

STRATA_DEFINE OnnxGraph build_onnx(std::span<const Row> rows, std::span<const OnnxStep> steps,
                                   std::span<const Tensor> tensors, const OnnxOptions& options) {
  if (options.input.empty()) throw std::invalid_argument("strata: the input of an ONNX graph has no name");
  const bool rows_first = options.layout == OnnxLayout::nhwc;
  OnnxGraph graph(onnx_port(options.input, rows[0].out, options.layout));
  graph.metadata = options.metadata;
  OnnxValue v{options.input, rows[0].out, {}};
  graph.begin_layer("Input_0");
  if (rows_first) v.name = graph.node("Transpose", {v.name}, {{"perm", std::vector<std::int64_t>{0, 3, 1, 2}}});

  struct Open {
    OnnxValue fork;
    std::vector<OnnxBranch> ends;
  };
  std::vector<Open> open;
  const auto end_branch = [&](const OnnxValue& end) {
    const OnnxValue own = in_own_order(graph, end);
    open.back().ends.push_back({own.name, own.shape});
  };
  std::size_t next = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    const OnnxStep& step = steps[i];
    if (row.layer >= 0) graph.begin_layer(std::string(step.name) + "_" + std::to_string(row.layer));
    switch (row.kind) {
      case Kind::fork:
        open.push_back({v, {}});
        break;
      case Kind::next:
        end_branch(v);
        v = open.back().fork;
        break;
      case Kind::join:
        end_branch(v);
        if (row.identity) end_branch(open.back().fork);
        v = OnnxValue{step.join(graph, {open.back().ends, row.out}), row.out, {}};
        open.pop_back();
        break;
      case Kind::layer:
        if (step.flattens) v = flattened(v);
        if (!step.write) break;
        v = step.order == OnnxOrder::strata ? in_own_order(graph, v) : in_any_order(graph, v);
        const std::size_t count = step.tensors ? step.tensors(row.in) : 0;
        v.name = step.write(graph, {v.name, row.in, row.out, v.order, tensors.subspan(next, count)});
        v.shape = row.out;
        if (step.order != OnnxOrder::kept) v.order = Shape{};
        next += count;
        break;
    }
  }
  graph.begin_layer("Output");
  v = in_own_order(graph, v);
  if (rows_first && !v.shape.flat)
    v.name = graph.node("Transpose", {v.name}, {{"perm", std::vector<std::int64_t>{0, 2, 3, 1}}});
  if (v.name == options.input) v.name = graph.node("Identity", {v.name});
  graph.finish(v.name, onnx_port(options.output, v.shape, options.layout));
  return graph;
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
