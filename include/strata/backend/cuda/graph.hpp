// SPDX-License-Identifier: BSL-1.0
// A computation for cuDNN: operations on described tensors, joined to a graph. It needs neither a device nor a driver.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include <strata/backend/cuda/cudnn.hpp>
#include <strata/backend/cuda/precision.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cuda {

constexpr cudnnDataType_t data_type(Number type) { return type == Number::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT; }

// Sizes in cuDNN's order, (N,C,H,W); memory is (N,H,W,C). For weights (F,C/groups,KH,KW); memory is (F,KH,KW,C/groups).
using Sizes = std::array<std::int64_t, 4>;

// `id` is the tensor's name within its graph; a plan gets its pointer when it runs. A virtual tensor is between two
// operations of a graph and is never in memory.
inline Descriptor make_tensor(std::int64_t id, const Sizes& n, Number type, bool is_virtual = false) {
  const Sizes strides = {n[1] * n[2] * n[3], 1, n[1] * n[3], n[1]};
  Descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, data_type(type))
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, alignment)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<const std::int64_t>(n))
      .set(CUDNN_ATTR_TENSOR_STRIDES, std::span<const std::int64_t>(strides))
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, is_virtual)
      .finalize();
  return tensor;
}

// A sliding window; sums are float32. The paddings before and after may differ.
inline Descriptor make_convolution(const Window& w) {
  using Pair = std::array<std::int64_t, 2>;
  const Pair before = {w.pad_top, w.pad_left}, after = {w.pad_bottom, w.pad_right};
  const Pair strides = {w.stride_h, w.stride_w}, dilations = {w.dilation_h, w.dilation_w};
  Descriptor convolution(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  convolution.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION)
      .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2})
      .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, std::span<const std::int64_t>(before))
      .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, std::span<const std::int64_t>(after))
      .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::span<const std::int64_t>(strides))
      .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::span<const std::int64_t>(dilations))
      .finalize();
  return convolution;
}

enum class ConvOperation { forward, backward_input, backward_weights };

// forward: y = conv(x, w). The others compute the gradient of x or of w from that of y; these two tensors are then the
// gradients. The number of groups follows from the channels of x and w.
inline Descriptor convolution_operation(ConvOperation operation, const Descriptor& convolution, const Descriptor& x,
                                        const Descriptor& w, const Descriptor& y) {
  struct Names {
    cudnnBackendDescriptorType_t operation;
    cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
  };
  static constexpr Names all[] = {
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}};
  const Names& name = all[static_cast<int>(operation)];
  Descriptor d(name.operation);
  d.set(name.convolution, convolution).set(name.x, x).set(name.w, w).set(name.y, y);
  d.set(name.alpha, 1.0F).set(name.beta, 0.0F).finalize();
  return d;
}

// CUDNN_POINTWISE_ADD, ...; computed in float32.
inline Descriptor make_pointwise(cudnnPointwiseMode_t mode) {
  Descriptor pointwise(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  pointwise.set(CUDNN_ATTR_POINTWISE_MODE, mode).set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT).finalize();
  return pointwise;
}

// y = f(x), or f(x, b) if b is not null; b is broadcast along sizes of 1.
inline Descriptor pointwise_operation(const Descriptor& pointwise, const Descriptor& x, const Descriptor* b,
                                      const Descriptor& y) {
  Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, pointwise).set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
  if (b) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y).finalize();
  return operation;
}

// Finalized operations, and the descriptors that they refer to.
class Graph {
 public:
  const Descriptor& keep(Descriptor part) { return parts_.emplace_back(std::move(part)); }
  const Descriptor& tensor(std::int64_t id, const Sizes& sizes, Number type) {
    tensors_.push_back({id, sizes[0] * sizes[1] * sizes[2] * sizes[3] * bytes_of(type)});
    return keep(make_tensor(id, sizes, type));
  }
  // Between two operations, in float32.
  const Descriptor& virtual_tensor(std::int64_t id, const Sizes& sizes) {
    return keep(make_tensor(id, sizes, Number::float32, true));
  }
  void operation(Descriptor part) { operations_.push_back(keep(std::move(part)).get()); }

  // The operations joined, for the device of a handle, or for any device if it is null.
  [[nodiscard]] Descriptor finalize(cudnnHandle_t handle = nullptr) const {
    const auto count = static_cast<std::int64_t>(operations_.size());
    Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    if (handle) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, handle);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, operations_.data()).finalize();
    return graph;
  }

  struct Memory {
    std::int64_t id, bytes;
  };
  // The tensors that need memory when a plan runs.
  [[nodiscard]] const std::vector<Memory>& tensors() const { return tensors_; }

 private:
  std::deque<Descriptor> parts_;  // references stay valid
  std::vector<cudnnBackendDescriptor_t> operations_;
  std::vector<Memory> tensors_;
};

}  // namespace strata::inline STRATA_ABI::cuda
