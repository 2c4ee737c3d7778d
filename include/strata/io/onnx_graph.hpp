// SPDX-License-Identifier: BSL-1.0
// An ONNX graph in memory, and what a layer of a network needs to write itself into one. Knows no file format: io/onnx.hpp
// writes files. Maps are (N,C,H,W) in the graph, as ONNX has them; strata's are (N,H,W,C).
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/core/table.hpp>
#include <strata/io/safetensors_writer.hpp>

namespace strata::inline STRATA_ABI {

struct OnnxAttribute {
  std::string name;
  std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>> value;
};
struct OnnxNode {
  std::string name, op;
  std::vector<std::string> inputs;
  std::string output;
  std::vector<OnnxAttribute> attributes;
};
// The numbers of ONNX's TensorProto.DataType.
enum class OnnxType : int { float32 = 1, int64 = 7, boolean = 9 };
struct OnnxConstant {
  std::string name;
  OnnxType type = OnnxType::float32;
  std::vector<std::int64_t> shape;  // empty: one number
  std::string bytes;                // little-endian, the last dimension fastest
};
// The input or the output of a graph; the first dimension, which is not among these, is the batch.
struct OnnxPort {
  std::string name;
  std::vector<std::int64_t> sample;
};

// The dimensions of maps outside the graph: (N,C,H,W) or (N,H,W,C).
enum class OnnxLayout { nchw, nhwc };

struct OnnxOptions {
  OnnxLayout layout = OnnxLayout::nchw;            // of the input, and of an output that is a map
  std::string input = "input", output = "output";  // their names
  std::map<std::string, std::string> metadata{};   // metadata_of(data_info<Data>()), as for save_weights()
};

// A graph under construction. Nodes are added in the order in which they can be computed.
class OnnxGraph {
 public:
  explicit OnnxGraph(OnnxPort takes) : input(std::move(takes)) { names_.insert(input.name); }

  OnnxPort input, output;
  std::map<std::string, std::string> metadata;

  // Adds a node with one output, and returns the name of that. `op` is an operator of ONNX's opset 17.
  std::string node(std::string op, std::vector<std::string> inputs, std::vector<OnnxAttribute> attributes = {});
  // Add a constant, and return its name. The first takes a name of its own, such as conv2d_1/kernel.
  std::string constant(std::string name, std::vector<std::int64_t> shape, std::span<const float> values);
  std::string numbers(std::vector<std::int64_t> shape, std::span<const float> values);
  std::string number(float value);
  std::string integers(std::span<const std::int64_t> values);
  std::string flags(std::vector<std::int64_t> shape, const std::vector<bool>& values);

  [[nodiscard]] std::span<const OnnxNode> nodes() const { return nodes_; }
  [[nodiscard]] std::span<const OnnxConstant> constants() const { return constants_; }
  // Moves them out, which spares a copy of the weights.
  [[nodiscard]] std::vector<OnnxConstant> take_constants() { return std::move(constants_); }

  // From now on names of nodes begin with this: "Conv_3".
  void begin_layer(std::string layer) { layer_ = std::move(layer); }
  // Gives the value `from` the name of the graph's output. Throws std::invalid_argument if the name is in use or empty.
  void finish(const std::string& from, OnnxPort port);

 private:
  std::string unique(const std::string& name);
  std::string add(std::string name, OnnxType type, std::vector<std::int64_t> shape, std::string bytes);

  std::vector<OnnxNode> nodes_;
  std::vector<OnnxConstant> constants_;
  std::set<std::string, std::less<>> names_;
  std::string layer_;
};

// What a layer gets: the name of its input, the shapes of one sample, and its tensors as tensors(Shape) lists them, in
// strata's layouts.
struct OnnxInput {
  std::string x;
  Shape in, out;
  // If `in` is flat: the map (H,W,C) whose elements it has in the order channel, row, column. No size: it has strata's
  // order. Only a layer that says so gets another order than strata's.
  Shape order;
  std::span<const Tensor> tensors;
};
// What a join gets: the ends of its branches, in strata's order.
struct OnnxBranch {
  std::string x;
  Shape shape;
};
struct OnnxBranches {
  std::span<const OnnxBranch> branches;
  Shape out;
};

// Behind Flatten, ONNX's vectors are ordered by channel, row, column; strata's by row, column, channel. Which orders a
// layer takes, and what order leaves it.
enum class OnnxOrder {
  strata,  // takes strata's order alone; what leaves has it too
  taken,   // takes any, see OnnxInput::order; what leaves has strata's
  kept     // takes any, and the same leaves
};

// How a layer is written as ONNX. io/onnx_layers.hpp has those of the library. For a layer of your own:
//   template <>
//   struct strata::OnnxLayer<Mish> {
//     static constexpr OnnxOrder order = OnnxOrder::kept;  // the default is OnnxOrder::strata
//     static std::string write(OnnxGraph& graph, const OnnxInput& in) {  // returns the name of the output
//       return graph.node("Mul", {in.x, graph.node("Tanh", {graph.node("Softplus", {in.x})})});
//     }
//   };
// A layer that joins branches has `static std::string join(OnnxGraph&, const OnnxBranches&)` instead.
template <class L>
struct OnnxLayer;

namespace detail {

// One node of a network.
struct OnnxStep {
  std::string_view name;
  OnnxOrder order = OnnxOrder::strata;
  bool flattens = false;
  std::size_t (*tensors)(Shape in) = nullptr;                    // how many the layer has; null: none
  std::string (*write)(OnnxGraph&, const OnnxInput&) = nullptr;  // null: the layer computes nothing
  std::string (*join)(OnnxGraph&, const OnnxBranches&) = nullptr;
};

// Writes a network, whose tensors are in the order of its nodes.
OnnxGraph build_onnx(std::span<const Row> rows, std::span<const OnnxStep> steps, std::span<const Tensor> tensors,
                     const OnnxOptions& options);

// The elements of a tensor with its dimensions in another order: dimension i of the result is dimension order[i].
std::vector<float> transposed(std::span<const float> values, std::span<const std::int64_t> shape,
                              std::span<const std::size_t> order);
// Rows of `width` numbers each that are in strata's order, (H,W,C), in that of ONNX, (C,H,W).
std::vector<float> channels_first(std::span<const float> values, Shape map, std::int64_t width);

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/io/onnx_graph_impl.hpp>
#endif
