// SPDX-License-Identifier: BSL-1.0
// The blocks of layers that the CPU backend does together.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <strata/backend/cpu/conv_pool.hpp>
#include <strata/backend/cpu/cpu.hpp>

namespace strata {

namespace detail {

// A convolution, perhaps a ReLU, and a max pool: the gradient between them is a list.
template <class Conv_, class Pool, bool Relu>
struct ConvPoolBlock {
  using kernel = CpuKernel<Conv_>;
  static constexpr bool exists = true;
  static constexpr Geometry pool_geometry(Shape in) { return Pool::geometry(Conv_::geometry(in).out); }
  static constexpr bool applies(Shape in) { return cpu::conv_pool_applies(Conv_::geometry(in), pool_geometry(in)); }
  template <class T>
  static constexpr std::int64_t scratch(Shape in, int batch, int threads) {
    return std::max(kernel::template scratch<T>(in, batch, threads),
                    cpu::conv_pool_scratch<T>(Conv_::geometry(in), batch, threads));
  }
  static constexpr int last = Relu ? 2 : 1;
  template <class T>
  static void forward(const Pass<T>* p) {
    kernel::forward(p[0], p[last - 1].y, Relu);
    CpuKernel<Pool>::forward(p[last]);
  }
  template <class T>
  static void backward(const Pass<T>* p) {
    const Pass<T>&conv = p[0], &pool = p[last];
    const Geometry g = Conv_::geometry(conv.in);
    cpu::conv_pool_backward(g, pool_geometry(conv.in), conv.batch, Relu, conv.x, conv.parameters, pool.y, pool.dy,
                            reinterpret_cast<const std::int32_t*>(pool.saved), conv.gradients,
                            kernel::bias(g, conv.gradients), conv.dx, pool.dx, conv.pool, conv.scratch);
  }
};

}  // namespace detail

template <auto Kernel, int Filters, class... O, auto Window, auto Stride_, class... P>
struct CpuBlock<Conv<Kernel, Filters, O...>, ReLU, MaxPool<Window, Stride_, P...>>
    : detail::ConvPoolBlock<Conv<Kernel, Filters, O...>, MaxPool<Window, Stride_, P...>, true> {};
template <auto Kernel, int Filters, class... O, auto Window, auto Stride_, class... P>
struct CpuBlock<Conv<Kernel, Filters, O...>, MaxPool<Window, Stride_, P...>>
    : detail::ConvPoolBlock<Conv<Kernel, Filters, O...>, MaxPool<Window, Stride_, P...>, false> {};

// The ReLU before the sums leave their registers.
template <auto Kernel, int Filters, class... O>
struct CpuBlock<Conv<Kernel, Filters, O...>, ReLU> {
  using kernel = CpuKernel<Conv<Kernel, Filters, O...>>;
  static constexpr bool exists = true;
  static constexpr bool applies(Shape) { return true; }
  template <class T>
  static constexpr std::int64_t scratch(Shape in, int batch, int threads) {
    return kernel::template scratch<T>(in, batch, threads);
  }
  template <class T>
  static void forward(const Pass<T>* p) {
    kernel::forward(p[0], p[1].y, true);
  }
  template <class T>
  static void backward(const Pass<T>* p) {
    CpuKernel<ReLU>::backward(p[1]);
    kernel::backward(p[0]);
  }
};

}  // namespace strata
