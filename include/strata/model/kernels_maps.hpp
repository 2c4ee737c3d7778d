// SPDX-License-Identifier: BSL-1.0
// The kernels of pools and of layers that rearrange a map. model/kernels.hpp says how a kernel is written.
#pragma once
#include <cstdint>

#include <strata/core/host_device.hpp>
#include <strata/core/linkage.hpp>
#include <strata/layers/channel_shuffle.hpp>
#include <strata/layers/pool.hpp>
#include <strata/layers/reshape.hpp>
#include <strata/layers/upsample.hpp>
#include <strata/model/kernel_traits.hpp>

namespace strata::inline STRATA_ABI {

template <class L>
struct MaxPoolKernel : KernelTraits {
  using layer = L;
  static constexpr bool reads_signs = true;  // of a ReLU before it, in one block
  // The position of each maximum.
  template <class Ops>
  static constexpr std::int64_t saved_bytes(Shape, Shape out, std::int64_t batch) {
    return batch * out.size() * 4;
  }
  template <class P>
  static void forward(const P& p) {
    p.ops.max_pool_forward(layer::geometry(p.in), p.batch, p.x, p.y, p.training ? argmax(p) : nullptr);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) p.ops.max_pool_backward(layer::geometry(p.in), p.batch, p.dy, argmax(p), p.dx);
  }
  template <class P>
  static std::int32_t* argmax(const P& p) {
    return reinterpret_cast<std::int32_t*>(p.saved);
  }
};
template <auto Window, auto Stride_, class... Options>
struct Kernel<MaxPool<Window, Stride_, Options...>> : MaxPoolKernel<MaxPool<Window, Stride_, Options...>> {};
template <>
struct Kernel<GlobalMaxPool> : MaxPoolKernel<GlobalMaxPool> {};

template <auto Window, auto Stride_, class... Options>
struct Kernel<AvgPool<Window, Stride_, Options...>> : KernelTraits {
  using layer = AvgPool<Window, Stride_, Options...>;
  template <class P>
  static void forward(const P& p) {
    p.ops.avg_pool_forward(layer::geometry(p.in), layer::counts_padding, p.batch, p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) p.ops.avg_pool_backward(layer::geometry(p.in), layer::counts_padding, p.batch, p.dy, p.dx);
  }
};
template <>
struct Kernel<GlobalAvgPool> : KernelTraits {
  template <class P>
  static void forward(const P& p) {
    p.ops.global_avg_pool_forward(p.in, p.batch, p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) p.ops.global_avg_pool_backward(p.in, p.batch, p.dy, p.dx);
  }
};

template <auto Factor, class... Options>
struct Kernel<Upsample<Factor, Options...>> : KernelTraits {
  using layer = Upsample<Factor, Options...>;
  template <class P>
  static void forward(const P& p) {
    p.ops.upsample_forward(layer::upsampling(p.in), p.batch, p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) p.ops.upsample_backward(layer::upsampling(p.in), p.batch, p.dy, p.dx);
  }
};

template <int Groups>
struct Kernel<ChannelShuffle<Groups>> : KernelTraits {
  template <class P>
  static void forward(const P& p) {
    p.ops.shuffle_channels(p.count_in() / p.in.channels, p.in.channels, Groups, p.x, p.y);
  }
  // As many groups as the groups were wide give the old order.
  template <class P>
  static void backward(const P& p) {
    if (p.dx) p.ops.shuffle_channels(p.count_in() / p.in.channels, p.in.channels, p.in.channels / Groups, p.dy, p.dx);
  }
};

namespace detail {
template <class A>
struct SetToZero {
  A* x;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const { x[i] = A{}; }
};
// dx (rows,channels) of all channels: dy (rows,count) for channels first to first + count - 1, 0 for the others.
template <class Ops, class A>
void channels_backward(const Ops& ops, std::int64_t rows, int channels, int first, int count, const A* dy, A* dx) {
  if (count != channels) ops.elements(rows * channels, SetToZero<A>{dx});
  ops.concat_copy(rows, count, dy, channels, first, dx);
}
}  // namespace detail

template <int First, int Count>
struct Kernel<Channels<First, Count>> : KernelTraits {
  template <class P>
  static void forward(const P& p) {
    p.ops.concat_take(p.count_in() / p.in.channels, Count, p.y, p.in.channels, First, p.x);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) detail::channels_backward(p.ops, p.count_in() / p.in.channels, p.in.channels, First, Count, p.dy, p.dx);
  }
};

}  // namespace strata::inline STRATA_ABI
