// SPDX-License-Identifier: BSL-1.0
// Compiled by a C++ compiler: what asks nothing of nvcc. It describes a convolution to cuDNN, which needs no GPU.
#include <strata/backend/cuda/conv.hpp>

int main() {
  using namespace strata;
  const Geometry g = place({.kernel_h = 3, .kernel_w = 3, .padding = Padding::same}, Shape{8, 8, 3}, 16);
  const auto graph = cuda::conv_graph({cuda::ConvOperation::forward, g, 4, cuda::Math::tf32, true});
  return graph->finalize().get() ? 0 : 1;
}
