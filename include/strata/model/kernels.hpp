// SPDX-License-Identifier: BSL-1.0
// Kernel<L>: how a layer runs, said once for all backends. It translates the layer's type into plain arguments and calls
// the backend's entry points, `p.ops`. A layer of your own specializes it too (examples/custom_layer). Here are views and
// activations; the other kernels are in the files that this one includes.
#pragma once
#include <concepts>
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/layers/activations.hpp>
#include <strata/layers/dense.hpp>
#include <strata/layers/expect.hpp>
#include <strata/layers/input.hpp>
#include <strata/layers/prelu.hpp>
#include <strata/layers/reshape.hpp>
#include <strata/model/kernel_traits.hpp>
#include <strata/model/kernels_joins.hpp>
#include <strata/model/kernels_maps.hpp>
#include <strata/model/kernels_normalization.hpp>
#include <strata/model/kernels_products.hpp>
#include <strata/model/pass.hpp>

namespace strata::inline STRATA_ABI {

// ---- Views -----------------------------------------------------------------------------------------------------------

struct ViewKernel : KernelTraits {
  static constexpr bool view = true;
};
template <int Height, int Width, int Channels>
struct Kernel<Input<Height, Width, Channels>> : ViewKernel {};
template <>
struct Kernel<Flatten> : ViewKernel {};
template <int Height, int Width, int Channels>
struct Kernel<Reshape<Height, Width, Channels>> : ViewKernel {};
template <int... Dimensions>
struct Kernel<Expect<Dimensions...>> : ViewKernel {};

// ---- Activations -----------------------------------------------------------------------------------------------------

// Any struct with forward(x) and backward(y, dy) or backward(x, y, dy).
template <detail::Elementwise L>
struct Kernel<L> : KernelTraits {
  using chain_layer = L;  // it may end a chain (model/chain.hpp)
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

template <>
struct Kernel<PReLU> : KernelTraits {
  template <class Ops>
  static constexpr std::int64_t scratch(Shape in, int batch, int) {
    return Ops::prelu_scratch(batch * in.size() / in.channels, in.channels);
  }
  template <class P>
  static void forward(const P& p) {
    p.ops.prelu_forward(p.count_in() / p.in.channels, p.in.channels, p.x, p.parameters, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    p.ops.prelu_backward(p.count_in() / p.in.channels, p.in.channels, p.x, p.parameters, p.dy, p.dx, p.gradients,
                         p.scratch);
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

}  // namespace strata::inline STRATA_ABI
