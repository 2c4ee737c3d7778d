// SPDX-License-Identifier: BSL-1.0
// Kernel<L>: how a layer runs, said once for all backends. It translates the layer's type into plain arguments and calls
// the backend's entry points, `p.ops`. A layer of your own specializes it too (examples/custom_layer).
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/core/lrn.hpp>
#include <strata/layers/activations.hpp>
#include <strata/layers/combine.hpp>
#include <strata/layers/conv.hpp>
#include <strata/layers/dense.hpp>
#include <strata/layers/dropout.hpp>
#include <strata/layers/expect.hpp>
#include <strata/layers/input.hpp>
#include <strata/layers/normalization.hpp>
#include <strata/layers/pool.hpp>
#include <strata/model/kernel_traits.hpp>
#include <strata/model/pass.hpp>

namespace strata::inline STRATA_ABI {

template <class L>
struct Kernel;

// ---- Views -----------------------------------------------------------------------------------------------------------

struct ViewKernel : KernelTraits {
  static constexpr bool view = true;
};
template <int Height, int Width, int Channels>
struct Kernel<Input<Height, Width, Channels>> : ViewKernel {};
template <>
struct Kernel<Flatten> : ViewKernel {};
template <int... Dimensions>
struct Kernel<Expect<Dimensions...>> : ViewKernel {};

// ---- Products --------------------------------------------------------------------------------------------------------

template <auto Size_, int Filters, class... Options>
struct Kernel<Conv<Size_, Filters, Options...>> : KernelTraits {
  using layer = Conv<Size_, Filters, Options...>;
  static constexpr bool prepares = true;
  template <class Ops>
  static constexpr std::int64_t scratch(Shape in, int batch, int threads) {
    return Ops::conv_scratch(layer::geometry(in), batch, threads);
  }
  template <class Ops>
  static void prepare(const Ops& ops, Shape in, int batch, const Preparation& wanted) {
    ops.prepare_conv(layer::geometry(in), batch, layer::has_bias, wanted);
  }
  template <class P>
  static void forward(const P& p) {
    forward(p, p.y, false);
  }
  // Writes to y, rectified if a ReLU follows.
  template <class P>
  static void forward(const P& p, typename P::A* y, bool relu) {
    const Geometry g = layer::geometry(p.in);
    p.ops.conv_forward(g, p.batch, p.x, p.parameters, bias(g, p.parameters), y, relu, p.training, p.scratch);
  }
  template <class P>
  static void backward(const P& p) {
    backward(p, p.dy);
  }
  template <class P>
  static void backward(const P& p, const typename P::A* dy) {
    const Geometry g = layer::geometry(p.in);
    p.ops.conv_backward(g, p.batch, p.x, p.parameters, dy, p.dx, p.gradients, bias(g, p.gradients), p.scratch);
  }
  // Null if the layer has none.
  template <class T>
  static T* bias(const Geometry& g, T* weights) {
    return layer::has_bias ? weights + g.taps() * Filters : nullptr;
  }
};

template <int Units, class... Options>
struct Kernel<Dense<Units, Options...>> : KernelTraits {
  using layer = Dense<Units, Options...>;
  static constexpr bool prepares = true;
  template <class Ops>
  static constexpr std::int64_t scratch(Shape in, int batch, int threads) {
    return Ops::dense_scratch(in.channels, Units, batch, threads);
  }
  template <class Ops>
  static void prepare(const Ops& ops, Shape in, int batch, const Preparation& wanted) {
    ops.prepare_dense(in.channels, Units, batch, layer::has_bias, wanted);
  }
  template <class P>
  static void forward(const P& p) {
    forward(p, p.y, false);
  }
  template <class P>
  static void forward(const P& p, typename P::A* y, bool relu) {
    p.ops.dense_forward(p.in.channels, Units, p.batch, p.x, p.parameters, bias(p.in, p.parameters), y, relu, p.training,
                        p.scratch);
  }
  template <class P>
  static void backward(const P& p) {
    backward(p, p.dy);
  }
  template <class P>
  static void backward(const P& p, const typename P::A* dy) {
    p.ops.dense_backward(p.in.channels, Units, p.batch, p.x, p.parameters, dy, p.dx, p.gradients, bias(p.in, p.gradients),
                         p.scratch);
  }

 private:
  template <class T>
  static T* bias(Shape in, T* weights) {
    return layer::has_bias ? weights + in.size() * Units : nullptr;
  }
};

// ---- Pools -----------------------------------------------------------------------------------------------------------

template <auto Window, auto Stride_, class... Options>
struct Kernel<MaxPool<Window, Stride_, Options...>> : KernelTraits {
  using layer = MaxPool<Window, Stride_, Options...>;
  static constexpr bool reads_signs = true;  // of a ReLU before it, in one block
  // The position of each maximum.
  template <class Ops>
  static constexpr std::int64_t saved_bytes(Shape, Shape out, std::int64_t batch) {
    return batch * out.size() * 4;
  }
  template <class P>
  static void forward(const P& p) {
    p.ops.max_pool_forward(layer::geometry(p.in), p.batch, p.x, p.y, argmax(p));
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
struct Kernel<AvgPool<Window, Stride_, Options...>> : KernelTraits {
  using layer = AvgPool<Window, Stride_, Options...>;
  template <class P>
  static void forward(const P& p) {
    p.ops.avg_pool_forward(layer::geometry(p.in), p.batch, p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) p.ops.avg_pool_backward(layer::geometry(p.in), p.batch, p.dy, p.dx);
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

// ---- Activations -----------------------------------------------------------------------------------------------------

// Any struct with forward(x) and backward(y, dy) or backward(x, y, dy).
template <detail::Elementwise L>
struct Kernel<L> : KernelTraits {
  static constexpr bool from_output = detail::BackwardFromOutput<L>;
  static constexpr bool in_place = from_output;
  static constexpr bool reads_output = [] {
    if constexpr (requires { L::reads_output; }) return L::reads_output;
    return true;
  }();
  static constexpr bool reads_signs = [] {
    if constexpr (requires { L::reads_signs; }) return L::reads_signs;
    return false;
  }();
  static constexpr bool keeps_signs = [] {
    if constexpr (requires { L::keeps_signs; }) return L::keeps_signs;
    return false;
  }();
  template <class P>
  static void forward(const P& p) {
    p.ops.template activation_forward<L>(p.count_in(), p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    // An x that backward does not ask for may have been overwritten.
    if (p.dx) p.ops.template activation_backward<L>(p.count_in(), from_output ? nullptr : p.x, p.y, p.dy, p.dx);
  }
};

template <class L>
  requires(std::same_as<L, Softmax> || std::same_as<L, LogSoftmax>)
struct Kernel<L> : KernelTraits {
  static constexpr bool reads_output = true;
  static constexpr bool logarithm = std::same_as<L, LogSoftmax>;
  template <class P>
  static void forward(const P& p) {
    if constexpr (logarithm)
      p.ops.log_softmax_forward(p.batch, p.in.channels, p.x, p.y);
    else
      p.ops.softmax_forward(p.batch, p.in.channels, p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (!p.dx) return;
    if constexpr (logarithm)
      p.ops.log_softmax_backward(p.batch, p.in.channels, p.y, p.dy, p.dx);
    else
      p.ops.softmax_backward(p.batch, p.in.channels, p.y, p.dy, p.dx);
  }
};

// ---- Dropout and normalizations --------------------------------------------------------------------------------------

// The mask is a function of (seed, layer, step, element), so that nothing is saved.
template <auto Rate>
struct Kernel<Dropout<Rate>> : KernelTraits {
  static constexpr bool in_place = true;
  static constexpr bool keeps_signs = true;
  template <class P>
  static void forward(const P& p) {
    if (p.dropout)
      p.ops.dropout_forward(p.count_in(), Dropout<Rate>::rate, p.random, p.x, p.y);
    else if (p.x != p.y)
      p.ops.copy(p.count_in(), p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) p.ops.dropout_backward(p.count_in(), Dropout<Rate>::rate, p.random, p.dy, p.dx);
  }
};

template <class L>
struct BatchNormKernel : KernelTraits {
  // Mean and inverse standard deviation of the batch.
  template <class Ops>
  static constexpr std::int64_t saved_bytes(Shape in, Shape, std::int64_t) {
    return 2 * in.channels * static_cast<std::int64_t>(sizeof(typename Ops::Parameter));
  }
  // Also for the gradient of a gamma or beta that the layer lacks: the gradient of x is computed from both.
  template <class Ops>
  static constexpr std::int64_t scratch(Shape in, int batch, int) {
    return Ops::batch_norm_scratch(in, batch) + ((L::has_scale ? 0 : 1) + (L::has_shift ? 0 : 1)) * in.channels;
  }
  template <class P>
  static void forward(const P& p) {
    using T = typename P::Parameter;
    constexpr T epsilon = static_cast<T>(L::epsilon), momentum = static_cast<T>(L::momentum);
    const int channels = p.in.channels;
    const T* gamma = L::has_scale ? p.parameters : nullptr;
    const T* beta = L::has_shift ? p.parameters + (L::has_scale ? channels : 0) : nullptr;
    T *mean = p.state, *variance = mean + channels;
    if (p.training) {
      T* batch_mean = reinterpret_cast<T*>(p.saved);
      p.ops.batch_norm_forward(p.in, p.batch, epsilon, momentum, p.x, gamma, beta, mean, variance, batch_mean,
                               batch_mean + channels, p.y, p.scratch);
    } else {
      p.ops.batch_norm_inference(p.in, p.batch, epsilon, p.x, gamma, beta, mean, variance, p.y);
    }
  }
  template <class P>
  static void backward(const P& p) {
    using T = typename P::Parameter;
    const int channels = p.in.channels;
    const auto* mean = reinterpret_cast<const T*>(p.saved);
    T* spare = p.scratch + P::Ops::batch_norm_scratch(p.in, p.batch);
    T* dgamma = L::has_scale ? p.gradients : spare;
    T* dbeta = L::has_shift ? p.gradients + (L::has_scale ? channels : 0) : spare + (L::has_scale ? 0 : channels);
    // If dx is not wanted, dy serves as scratch; it is not read again.
    auto* dx = p.dx ? p.dx : const_cast<typename P::A*>(p.dy);
    p.ops.batch_norm_backward(p.in, p.batch, p.x, L::has_scale ? p.parameters : nullptr, mean, mean + channels, p.dy, dx,
                              dgamma, dbeta, p.scratch);
  }
};
template <>
struct Kernel<BatchNorm> : BatchNormKernel<BatchNorm> {};
template <class... Options>
struct Kernel<BatchNormOf<Options...>> : BatchNormKernel<BatchNormOf<Options...>> {};

template <int N, double K, double Alpha, double Beta>
struct Kernel<LRN<N, K, Alpha, Beta>> : KernelTraits {
  static constexpr bool reads_output = true;
  static constexpr LrnParameters values{N, K, Alpha, Beta};
  template <class P>
  static void forward(const P& p) {
    p.ops.lrn_forward(p.in, p.batch, values, p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) p.ops.lrn_backward(p.in, p.batch, values, p.x, p.y, p.dy, p.dx);
  }
};

// ---- Joins -----------------------------------------------------------------------------------------------------------

// A Residual adds two branches.
template <class... Layers>
struct Kernel<Residual<Layers...>> {
  template <class P>
  static void forward(const P& p) {
    p.ops.add(p.rows * p.channels, p.branches[1].x, p.branches[0].x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    for (const auto& branch : p.branches)
      if (branch.dx) p.ops.copy(p.rows * p.channels, p.dy, branch.dx);
  }
};

template <class... Branches>
struct Kernel<Concat<Branches...>> {
  template <class P>
  static void forward(const P& p) {
    int offset = 0;
    for (const auto& branch : p.branches) {
      p.ops.concat_copy(p.rows, branch.channels, branch.x, p.channels, offset, p.y);
      offset += branch.channels;
    }
  }
  template <class P>
  static void backward(const P& p) {
    int offset = 0;
    for (const auto& branch : p.branches) {
      if (branch.dx) p.ops.concat_take(p.rows, branch.channels, branch.dx, p.channels, offset, p.dy);
      offset += branch.channels;
    }
  }
};

}  // namespace strata::inline STRATA_ABI
