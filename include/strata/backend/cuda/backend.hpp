// SPDX-License-Identifier: BSL-1.0
// A GPU backend: a precision, and the engine that has the products.
#pragma once
#include <strata/backend/cuda/blocks.hpp>
#include <strata/backend/cuda/kernels.hpp>
#include <strata/backend/cuda/ops.hpp>
#include <strata/core/linkage.hpp>
#include <strata/model/model_core_impl.hpp>

namespace strata::inline STRATA_ABI {

template <class Precision, template <class> class Engine_>
struct GpuOf {
  using scalar = float;                               // of parameters, gradients, images and the network's output
  using activation = typename Precision::Activation;  // of what flows between layers
  using precision = Precision;
  using Engine = Engine_<Precision>;
  using Ops = cuda::Ops<Engine>;
  template <class L>
  using kernel = CudaKernel<L>;
  template <class... L>
  using block = CudaBlock<L...>;
  static constexpr bool on_host = false;
};

}  // namespace strata::inline STRATA_ABI
