// SPDX-License-Identifier: BSL-1.0
// The kernels of layers with products. model/kernels.hpp says how a kernel is written.
#pragma once
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/layers/conv.hpp>
#include <strata/layers/conv_transpose.hpp>
#include <strata/layers/dense.hpp>
#include <strata/model/chain.hpp>
#include <strata/model/kernel_traits.hpp>

namespace strata::inline STRATA_ABI {

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

  // As the first of a chain (model/chain.hpp).
  using chain_layer = layer;
  static constexpr bool takes_stride = true;
  template <class Ops>
  static constexpr std::int64_t packed(Shape in, int capacity) {
    return Ops::packed_conv(layer::geometry(in), capacity);
  }
  template <class Ops>
  static constexpr std::int64_t chain_scratch(Shape in, int batch, int threads) {
    return Ops::conv_inference_scratch(layer::geometry(in), batch, threads);
  }
  template <class P>
  static void pack(const P& p, bool normalized, int capacity, typename P::Parameter* packed) {
    const Geometry g = layer::geometry(p.in);
    p.ops.pack_conv(g, p.parameters, bias<const typename P::Parameter>(g, p.parameters), normalized, capacity, packed);
  }
  template <class P>
  static void run_chain(const P& p, const typename P::Parameter* packed, const ChainEnd<typename P::A>& end) {
    p.ops.conv_inference(layer::geometry(p.in), p.batch, p.x, p.parameters, packed, end, p.y, p.scratch);
  }
};

template <auto Size_, int Filters, class... Options>
struct Kernel<ConvTranspose<Size_, Filters, Options...>> : KernelTraits {
  using layer = ConvTranspose<Size_, Filters, Options...>;
  static constexpr bool prepares = true;
  template <class Ops>
  static constexpr std::int64_t scratch(Shape in, int batch, int threads) {
    return Ops::conv_transpose_scratch(layer::geometry(in), batch, threads);
  }
  template <class Ops>
  static void prepare(const Ops& ops, Shape in, int batch, const Preparation& wanted) {
    ops.prepare_conv_transpose(layer::geometry(in), batch, wanted);
  }
  template <class P>
  static void forward(const P& p) {
    const Geometry g = layer::geometry(p.in);
    p.ops.conv_transpose_forward(g, p.batch, p.x, p.parameters, bias(g, p.parameters), p.y, p.scratch);
  }
  template <class P>
  static void backward(const P& p) {
    const Geometry g = layer::geometry(p.in);
    p.ops.conv_transpose_backward(g, p.batch, p.x, p.parameters, p.dy, p.dx, p.gradients, bias(g, p.gradients), p.scratch);
  }

 private:
  template <class T>
  static T* bias(const Geometry& g, T* weights) {
    return layer::has_bias ? weights + g.taps() * g.out.channels : nullptr;
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

  // As the first of a chain (model/chain.hpp).
  using chain_layer = layer;
  template <class Ops>
  static constexpr std::int64_t packed(Shape, int /*capacity*/) {
    return Ops::packed_dense(Units);
  }
  template <class Ops>
  static constexpr std::int64_t chain_scratch(Shape in, int batch, int threads) {
    return scratch<Ops>(in, batch, threads);
  }
  template <class P>
  static void pack(const P& p, bool normalized, int /*capacity*/, typename P::Parameter* packed) {
    p.ops.pack_dense(Units, bias<const typename P::Parameter>(p.in, p.parameters), normalized, packed);
  }
  template <class P>
  static void run_chain(const P& p, const typename P::Parameter* packed, const ChainEnd<typename P::A>& end) {
    p.ops.dense_inference(p.in.channels, Units, p.batch, p.x, p.parameters, packed, end, p.y, p.scratch);
  }

 private:
  template <class T>
  static T* bias(Shape in, T* weights) {
    return layer::has_bias ? weights + in.size() * Units : nullptr;
  }
};

}  // namespace strata::inline STRATA_ABI
