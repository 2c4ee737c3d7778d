// SPDX-License-Identifier: BSL-1.0
// The kernels of dropout and of normalizations. model/kernels.hpp says how a kernel is written.
#pragma once
#include <cmath>
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/core/lrn.hpp>
#include <strata/layers/dropout.hpp>
#include <strata/layers/normalization.hpp>
#include <strata/model/chain.hpp>
#include <strata/model/kernel_traits.hpp>

namespace strata::inline STRATA_ABI {

// The mask is a function of (seed, layer, step, element or sample), so that nothing is saved.
struct DropoutTraits : KernelTraits {
  static constexpr bool in_place = true;
  static constexpr bool keeps_signs = true;
};
template <auto Rate>
struct Kernel<Dropout<Rate>> : DropoutTraits {
  template <class P>
  static void forward(const P& p) {
    if (p.dropout)
      p.ops.dropout_forward(p.count_in(), Dropout<Rate>::rate, p.random_of(p.in.size()), p.x, p.y);
    else if (p.x != p.y)
      p.ops.copy(p.count_in(), p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) p.ops.dropout_backward(p.count_in(), Dropout<Rate>::rate, p.random_of(p.in.size()), p.dy, p.dx);
  }
};
template <auto Rate>
struct Kernel<StochasticDepth<Rate>> : DropoutTraits {
  template <class P>
  static void forward(const P& p) {
    if (p.dropout)
      p.ops.drop_samples(p.batch, p.in.size(), StochasticDepth<Rate>::rate, p.random_of(1), p.x, p.y);
    else if (p.x != p.y)
      p.ops.copy(p.count_in(), p.x, p.y);
  }
  // The gradient is dropped and scaled in the same way.
  template <class P>
  static void backward(const P& p) {
    if (p.dx) p.ops.drop_samples(p.batch, p.in.size(), StochasticDepth<Rate>::rate, p.random_of(1), p.dy, p.dx);
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
    if (p.training)
      forward(p, p.y);
    else
      p.ops.batch_norm_inference(p.in, p.batch, static_cast<T>(L::epsilon), p.x, gamma(p), beta(p), p.state,
                                 p.state + p.in.channels, p.y);
  }
  // In training. more: for backends that compute another layer with it.
  template <class P, class... More>
  static void forward(const P& p, typename P::A* y, const More&... more) {
    using T = typename P::Parameter;
    const int channels = p.in.channels;
    T* mean = reinterpret_cast<T*>(p.saved);
    p.ops.batch_norm_forward(p.in, p.batch, static_cast<T>(L::epsilon), static_cast<T>(L::momentum), p.x, gamma(p), beta(p),
                             p.state, p.state + channels, mean, mean + channels, y, p.scratch, more...);
  }
  template <class P>
  static void backward(const P& p) {
    // If dx is not wanted, dy serves as scratch; it is not read again.
    backward(p, p.dy, p.dx ? p.dx : const_cast<typename P::A*>(p.dy));
  }
  template <class P, class... More>
  static void backward(const P& p, const typename P::A* dy, typename P::A* dx, const More&... more) {
    using T = typename P::Parameter;
    const int channels = p.in.channels;
    const auto* mean = reinterpret_cast<const T*>(p.saved);
    T* spare = p.scratch + P::Ops::batch_norm_scratch(p.in, p.batch);
    T* dgamma = L::has_scale ? p.gradients : spare;
    T* dbeta = L::has_shift ? p.gradients + (L::has_scale ? channels : 0) : spare + (L::has_scale ? 0 : channels);
    p.ops.batch_norm_backward(p.in, p.batch, p.x, gamma(p), mean, mean + channels, dy, dx, dgamma, dbeta, p.scratch,
                              more...);
  }
  // Null if the layer has none.
  template <class P>
  static const typename P::Parameter* gamma(const P& p) {
    return L::has_scale ? p.parameters : nullptr;
  }
  template <class P>
  static const typename P::Parameter* beta(const P& p) {
    return L::has_shift ? p.parameters + (L::has_scale ? p.in.channels : 0) : nullptr;
  }

  // In a chain (model/chain.hpp): y = x * scale + shift in a prediction. It may begin one too.
  using chain_layer = L;
  template <class P>
  static void scale_and_shift(const P& p, typename P::Parameter* scale, typename P::Parameter* shift) {
    using T = typename P::Parameter;
    const int channels = p.in.channels;
    const T *scales = gamma(p), *shifts = beta(p), *mean = p.state, *variance = mean + channels;
    for (int c = 0; c < channels; ++c) {
      scale[c] = (scales ? scales[c] : T{1}) / std::sqrt(variance[c] + static_cast<T>(L::epsilon));
      shift[c] = (shifts ? shifts[c] : T{0}) - mean[c] * scale[c];
    }
  }
  template <class Ops>
  static constexpr std::int64_t packed(Shape in, int /*capacity*/) {
    return std::int64_t{2} * in.channels;
  }
  template <class Ops>
  static constexpr std::int64_t chain_scratch(Shape, int, int) {
    return 0;
  }
  template <class P>
  static void pack(const P& p, bool /*normalized*/, int /*capacity*/, typename P::Parameter* packed) {
    scale_and_shift(p, packed, packed + p.in.channels);
  }
  template <class P>
  static void run_chain(const P& p, const typename P::Parameter* packed, const ChainEnd<typename P::A>& end) {
    p.ops.normalization_inference(p.count_in() / p.in.channels, p.in.channels, p.x, packed, end, p.y);
  }
};
template <>
struct Kernel<BatchNorm> : BatchNormKernel<BatchNorm> {};
template <class... Options>
struct Kernel<BatchNormOf<Options...>> : BatchNormKernel<BatchNormOf<Options...>> {};

// By_row: each position's channels are normalized alone.
template <class L, int Groups, bool By_row>
struct SampleNormKernel : KernelTraits {
  static constexpr std::int64_t area(Shape in) { return By_row ? 1 : std::int64_t{in.height} * in.width; }
  static constexpr std::int64_t samples(Shape in, std::int64_t batch) { return batch * in.size() / in.channels / area(in); }
  // Mean and inverse standard deviation of each group.
  template <class Ops>
  static constexpr std::int64_t saved_bytes(Shape in, Shape, std::int64_t batch) {
    return 2 * samples(in, batch) * Groups * static_cast<std::int64_t>(sizeof(typename Ops::Parameter));
  }
  template <class Ops>
  static constexpr std::int64_t scratch(Shape in, int batch, int) {
    return Ops::group_norm_scratch(samples(in, batch), area(in), in.channels, Groups);
  }
  template <class P>
  static void forward(const P& p) {
    using T = typename P::Parameter;
    T* mean = reinterpret_cast<T*>(p.saved);
    p.ops.group_norm_forward(samples(p.in, p.batch), area(p.in), p.in.channels, Groups, static_cast<T>(L::epsilon), p.x,
                             L::has_scale ? p.parameters : nullptr, shift(p, p.parameters), mean,
                             mean + samples(p.in, p.batch) * Groups, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    using T = typename P::Parameter;
    const T* mean = reinterpret_cast<const T*>(p.saved);
    p.ops.group_norm_backward(samples(p.in, p.batch), area(p.in), p.in.channels, Groups, p.x,
                              L::has_scale ? p.parameters : nullptr, mean, mean + samples(p.in, p.batch) * Groups, p.dy,
                              p.dx, L::has_scale ? p.gradients : nullptr, shift(p, p.gradients), p.scratch);
  }

 private:
  // Beta, or its gradient.
  template <class P, class T>
  static T* shift(const P& p, T* all) {
    return L::has_shift ? all + (L::has_scale ? p.in.channels : 0) : nullptr;
  }
};
template <int Groups, class... Options>
struct Kernel<GroupNorm<Groups, Options...>> : SampleNormKernel<GroupNorm<Groups, Options...>, Groups, false> {};
template <class... Options>
struct Kernel<LayerNormOf<Options...>> : SampleNormKernel<LayerNormOf<Options...>, 1, true> {};
template <>
struct Kernel<LayerNorm> : SampleNormKernel<LayerNorm, 1, true> {};

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

}  // namespace strata::inline STRATA_ABI
