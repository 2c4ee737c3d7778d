// SPDX-License-Identifier: BSL-1.0
// The blocks of layers that a GPU does together.
#pragma once
#include <strata/backend/cuda/kernels.hpp>
#include <strata/core/linkage.hpp>
#include <strata/model/relu_block.hpp>

namespace strata::inline STRATA_ABI {
namespace cuda {
template <class Product>
using ReluBlock = strata::detail::ReluBlock<CudaKernel<Product>, CudaKernel<ReLU>>;
}

template <auto Size_, int Filters, class... O>
struct CudaBlock<Conv<Size_, Filters, O...>, ReLU> : cuda::ReluBlock<Conv<Size_, Filters, O...>> {};
template <int Units, class... O>
struct CudaBlock<Dense<Units, O...>, ReLU> : cuda::ReluBlock<Dense<Units, O...>> {};

// The gradient goes through the pool and the ReLU in one pass. Forward, the ReLU comes after the pool: the same values, and
// fewer to rectify.
template <auto Size_, int Filters, class... O, auto Window, auto Stride_, class... Q>
struct CudaBlock<Conv<Size_, Filters, O...>, ReLU, MaxPool<Window, Stride_, Q...>>
    : cuda::ReluBlock<Conv<Size_, Filters, O...>> {
  using kernel = CudaKernel<Conv<Size_, Filters, O...>>;
  using pool = CudaKernel<MaxPool<Window, Stride_, Q...>>;
  template <class P>
  static void forward(const P* p) {
    kernel::forward(p[0], p[1].y, false);
    pool::forward(p[2]);
    p[2].ops.template activation_forward<ReLU>(p[2].count_out(), p[2].y, p[2].y);
  }
  template <class P>
  static void backward(const P* p) {
    p[2].ops.relu_max_pool_backward(pool::layer::geometry(p[2].in), p[2].batch, p[2].x, p[2].dy, pool::argmax(p[2]),
                                    p[1].dx);
    kernel::backward(p[0], p[1].dx);
  }
};

// The same through Dropout and ReLU.
template <int Units, class... O, auto Rate>
struct CudaBlock<Dense<Units, O...>, ReLU, Dropout<Rate>> : cuda::ReluBlock<Dense<Units, O...>> {
  using kernel = CudaKernel<Dense<Units, O...>>;
  template <class P>
  static void forward(const P* p) {
    kernel::forward(p[0], p[1].y, true);
    CudaKernel<Dropout<Rate>>::forward(p[2]);
  }
  template <class P>
  static void backward(const P* p) {
    p[2].ops.relu_dropout_backward(p[2].count_in(), Dropout<Rate>::rate, p[2].y, p[2].dy, p[1].dx);
    kernel::backward(p[0], p[1].dx);
  }
};

}  // namespace strata::inline STRATA_ABI
