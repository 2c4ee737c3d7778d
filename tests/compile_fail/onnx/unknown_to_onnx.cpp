// SPDX-License-Identifier: BSL-1.0
// A layer that save_onnx() cannot write, for want of an OnnxLayer.
#include <strata/io/onnx_layers.hpp>
#include <strata/strata.hpp>
using namespace strata;

struct Twice : Activation<Values::any> {
  static constexpr const char* name = "Twice";
  template <class T>
  static T forward(T x) {
    return 2 * x;
  }
  template <class T>
  static T backward(T, T dy) {
    return 2 * dy;
  }
};
#ifndef EXPECT_COMPILE_FAIL
template <>
struct strata::OnnxLayer<Twice> : strata::OnnxElementwise {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) { return graph.node("Add", {in.x, in.x}); }
};
#endif

// expect-error: strata: save_onnx does not know this layer; specialize strata::OnnxLayer for it
// expect-error: onnx_knows<Twice>
OnnxGraph graph_of(Model<Sequential<Input<2, 2, 1>, Twice, ReLU, Twice>>& model) { return onnx_graph(model); }
