// SPDX-License-Identifier: BSL-1.0
// The blocks of layers that the CPU backend does together.
#pragma once
#include <algorithm>
#include <concepts>
#include <cstdint>

#include <strata/backend/cpu/kernels.hpp>
#include <strata/backend/cpu/norm_activation.hpp>
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

// A normalization and an activation behind it, which takes its numbers while they are in the cache. The numbers between
// them are not kept.
template <class Norm, class F>
struct NormActivationBlock : strata::detail::BlockOfTwo<CpuKernel<Norm>> {
  using kernel = CpuKernel<Norm>;
  template <class P>
  static void forward(const P* p) {
    if (p[0].training) return kernel::forward(p[0], p[1].y, norm_activation<F, typename P::A>());
    kernel::forward(p[0]);
    CpuKernel<F>::forward(p[1]);
  }
  template <class P>
  static void backward(const P* p) {
    auto* between = p[1].dx ? p[1].dx : const_cast<typename P::A*>(p[1].dy);
    NormActivation<typename P::A> activation = norm_activation<F, typename P::A>();
    activation.beta = kernel::beta(p[0]), activation.y = p[1].y, activation.between = between;
    kernel::backward(p[0], p[1].dy, p[0].dx ? p[0].dx : between, activation);
  }
};

// Whether a layer's kernel is the one that all backends have.
template <class L>
concept OwnKernel = std::same_as<typename CpuKernel<L>::chain_layer, L>;

}  // namespace cpu

template <class F>
  requires detail::Elementwise<F> && cpu::OwnKernel<F>
struct CpuBlock<BatchNorm, F> : cpu::NormActivationBlock<BatchNorm, F> {};
template <class... O, class F>
  requires detail::Elementwise<F> && cpu::OwnKernel<F>
struct CpuBlock<BatchNormOf<O...>, F> : cpu::NormActivationBlock<BatchNormOf<O...>, F> {};

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
