// SPDX-License-Identifier: BSL-1.0
// What AlexNet needs of cuDNN, described to the real library: no device is needed for that.
#include <doctest/doctest.h>

#include "../../examples/alexnet_cifar/network.hpp"
#include "convolutions.hpp"

using namespace strata;
using namespace strata::cuda;

namespace {
constexpr Math all_math[] = {Math::float32, Math::tf32, Math::bf16};
}

TEST_CASE("cuDNN takes every graph that AlexNet needs") {
  int graphs = 0;
  for (const int batch : {128, 1024, 80}) {
    for (const Math math : all_math) {
      for (const ConvProblem& p : test::convolutions(AlexNet<10>{}, batch, math)) {
        CAPTURE(ConvPlan::describe(p));
        CHECK_NOTHROW(static_cast<void>(conv_graph(p)->finalize()));
        ++graphs;
        if (p.operation == ConvOperation::forward) {
          CHECK(p.bias);
          ConvProblem other = p;  // not fused
          other.bias = false;
          CHECK_NOTHROW(static_cast<void>(conv_graph(other)->finalize()));
        } else if (p.operation == ConvOperation::backward_weights && math == Math::bf16) {
          CHECK_NOTHROW(static_cast<void>(conv_graph(p, Number::bf16)->finalize()));
        }
      }
    }
  }
  CHECK(graphs == 5 * 3 * 3 * 3);  // convolutions, operations, batches, kinds of numbers
}

TEST_CASE("The tensors of a graph are those that a plan is given, in bytes") {
  const Geometry g = place({.kernel_h = 3, .kernel_w = 3, .padding = Padding::same}, Shape{8, 6, 4}, 16, 2);
  const auto graph = conv_graph({ConvOperation::forward, g, 5, Math::bf16, true});
  const auto& tensors = graph->tensors();
  REQUIRE(tensors.size() == 4);
  std::int64_t bytes[7] = {};
  for (const Graph::Memory& t : tensors) bytes[t.id] = t.bytes;
  CHECK(bytes[cuda::detail::conv_x] == 2 * 5 * 8 * 6 * 4);
  CHECK(bytes[cuda::detail::conv_w] == 2 * 16 * 3 * 3 * 2);
  CHECK(bytes[cuda::detail::conv_bias] == 2 * 16);
  CHECK(bytes[cuda::detail::conv_y] == 2 * 5 * 8 * 6 * 16);
}

TEST_CASE("Descriptors hold what they were told") {
  using Values = std::vector<std::int64_t>;
  const Descriptor tensor = make_tensor(7, {5, 4, 8, 6}, Number::bf16);
  CHECK(tensor.get_all<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS) == Values{5, 4, 8, 6});
  CHECK(tensor.get_all<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES) == Values{4 * 8 * 6, 1, 4 * 6, 4});  // (N,H,W,C)
  CHECK(tensor.get_all<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID) == Values{7});
  CHECK(tensor.get_all<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE) == std::vector{CUDNN_DATA_BFLOAT16});

  const Descriptor convolution = make_convolution({.stride_h = 2,
                                                   .stride_w = 3,
                                                   .dilation_h = 4,
                                                   .dilation_w = 5,
                                                   .pad_top = 6,
                                                   .pad_bottom = 7,
                                                   .pad_left = 8,
                                                   .pad_right = 9});
  CHECK(convolution.get_all<std::int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES) == Values{2, 3});
  CHECK(convolution.get_all<std::int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS) == Values{4, 5});
  CHECK(convolution.get_all<std::int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS) == Values{6, 8});
  CHECK(convolution.get_all<std::int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS) == Values{7, 9});
  CHECK(convolution.get_all<cudnnDataType_t>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) == std::vector{CUDNN_DATA_FLOAT});
}

TEST_CASE("A refusal names the call, the status and cuDNN's reason") {
  Geometry g = place({.kernel_h = 3, .kernel_w = 3, .padding = Padding::same}, Shape{8, 8, 4}, 16);
  g.out.width = 9;
  try {
    static_cast<void>(conv_graph({ConvOperation::forward, g, 5, Math::tf32}));
    FAIL("cuDNN takes a y that is too wide");
  } catch (const CudnnError& e) {
    CHECK(CUDNN_STATUS_CATEGORY(e.status()) == CUDNN_STATUS_BAD_PARAM);
    CHECK(std::string(e.what()).starts_with("cudnnBackendFinalize (convolution, forward) failed: CUDNN_STATUS_BAD_PARAM"));
  }
}
