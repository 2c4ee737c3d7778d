// SPDX-License-Identifier: BSL-1.0
// The blocks of layers that the CPU backend does together.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu/kernels.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>
#include <strata/model/relu_block.hpp>

namespace strata::inline STRATA_ABI {

namespace cpu {

// A convolution, a ReLU or not, and a max pool: the gradient between them is a list of what the pool picked.
template <class Conv_, class Pool, bool Relu>
struct ConvPoolBlock {
  using kernel = CpuKernel<Conv_>;
  static constexpr bool exists = true;
  static constexpr Geometry pool_geometry(Shape in) { return Pool::geometry(Conv_::geometry(in).out); }
  template <class Ops>
  static constexpr bool applies(Shape in) {
    return Ops::conv_pool_applies(Conv_::geometry(in), pool_geometry(in));
  }
  template <class Ops>
  static constexpr std::int64_t scratch(Shape in, int batch, int threads) {
    return std::max(kernel::template scratch<Ops>(in, batch, threads),
                    Ops::conv_pool_scratch(Conv_::geometry(in), batch, threads));
  }
  template <class Ops>
  static void prepare(const Ops&, Shape, int, const Preparation&) {}
  static constexpr int last = Relu ? 2 : 1;
  template <class P>
  static void forward(const P* p) {
    kernel::forward(p[0], p[last - 1].y, Relu);
    CpuKernel<Pool>::forward(p[last]);
  }
  template <class P>
  static void backward(const P* p) {
    const P &conv = p[0], &pool = p[last];
    const Geometry g = Conv_::geometry(conv.in);
    conv.ops.conv_pool_backward(g, pool_geometry(conv.in), conv.batch, Relu, conv.x, conv.parameters, pool.y, pool.dy,
                                CpuKernel<Pool>::argmax(pool), conv.gradients, kernel::bias(g, conv.gradients), conv.dx,
                                pool.dx, conv.scratch);
  }
};

}  // namespace cpu

template <auto Size_, int Filters, class... O, auto Window, auto Stride_, class... P>
struct CpuBlock<Conv<Size_, Filters, O...>, ReLU, MaxPool<Window, Stride_, P...>>
    : cpu::ConvPoolBlock<Conv<Size_, Filters, O...>, MaxPool<Window, Stride_, P...>, true> {};
template <auto Size_, int Filters, class... O, auto Window, auto Stride_, class... P>
struct CpuBlock<Conv<Size_, Filters, O...>, MaxPool<Window, Stride_, P...>>
    : cpu::ConvPoolBlock<Conv<Size_, Filters, O...>, MaxPool<Window, Stride_, P...>, false> {};

// The sums are rectified while they are in registers.
template <auto Size_, int Filters, class... O>
struct CpuBlock<Conv<Size_, Filters, O...>, ReLU>
    : detail::ReluBlock<CpuKernel<Conv<Size_, Filters, O...>>, CpuKernel<ReLU>> {};

}  // namespace strata::inline STRATA_ABI
