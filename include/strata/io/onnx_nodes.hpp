// SPDX-License-Identifier: BSL-1.0
// The layers of the library as nodes of an ONNX graph, from plain arguments: io/onnx_layers.hpp takes these from a layer's
// type. Each function adds the nodes and returns the name of the output.
#pragma once
#include <cstdint>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/core/lrn.hpp>
#include <strata/core/upsample.hpp>
#include <strata/core/window.hpp>
#include <strata/io/onnx_graph.hpp>

namespace strata::inline STRATA_ABI::detail {

// A normalization's numbers.
struct OnnxNorm {
  double epsilon;
  bool has_scale, has_shift;
};

std::string onnx_conv(OnnxGraph& graph, const OnnxInput& in, const Geometry& g);
std::string onnx_conv_transpose(OnnxGraph& graph, const OnnxInput& in, const Geometry& g);
std::string onnx_dense(OnnxGraph& graph, const OnnxInput& in);
std::string onnx_max_pool(OnnxGraph& graph, const OnnxInput& in, const Geometry& g);
std::string onnx_avg_pool(OnnxGraph& graph, const OnnxInput& in, const Geometry& g, bool count_padding);
// `op`: GlobalAveragePool or GlobalMaxPool
std::string onnx_global_pool(OnnxGraph& graph, const OnnxInput& in, const char* op);
std::string onnx_batch_norm(OnnxGraph& graph, const OnnxInput& in, const OnnxNorm& norm);
std::string onnx_group_norm(OnnxGraph& graph, const OnnxInput& in, const OnnxNorm& norm, int groups);
std::string onnx_layer_norm(OnnxGraph& graph, const OnnxInput& in, const OnnxNorm& norm);
std::string onnx_lrn(OnnxGraph& graph, const OnnxInput& in, const LrnParameters& p);
std::string onnx_prelu(OnnxGraph& graph, const OnnxInput& in);
std::string onnx_upsample(OnnxGraph& graph, const OnnxInput& in, const Upsampling& u);
std::string onnx_reshape(OnnxGraph& graph, const OnnxInput& in);
std::string onnx_channels(OnnxGraph& graph, const OnnxInput& in, int first, int count);
std::string onnx_channel_shuffle(OnnxGraph& graph, const OnnxInput& in, int groups);
std::string onnx_gelu(OnnxGraph& graph, const OnnxInput& in);
std::string onnx_gelu_tanh(OnnxGraph& graph, const OnnxInput& in);
std::string onnx_sum(OnnxGraph& graph, const OnnxBranches& of);
std::string onnx_gate(OnnxGraph& graph, const OnnxBranches& of);
std::string onnx_concat(OnnxGraph& graph, const OnnxBranches& of);

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/io/onnx_nodes_impl.hpp>
#endif
