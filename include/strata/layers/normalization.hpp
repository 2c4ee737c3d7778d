// SPDX-License-Identifier: BSL-1.0
// Normalizations: of batches, of groups of channels, of layers, and local response normalization. All keep the shape.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include <strata/core/options.hpp>
#include <strata/core/tensor_info.hpp>

namespace strata {

// Normalizes each channel by its mean and variance: in training those of the batch, otherwise the running ones, which
// training keeps up to date. BatchNorm has the defaults, BatchNormOf takes options.
// Formula: y = gamma (x - mean) / sqrt(variance + epsilon) + beta; in training also
//          running = momentum running + (1 - momentum) batch, for mean and variance (divided by N H W, not by N H W - 1)
// Shapes: (N,H,W,C) or (N,C), which it keeps
// Trained: gamma (C), beta (C); the running mean and variance, 2C numbers, are state and not parameters
// Options: Momentum, in [0, 1), 0.99 by default; Epsilon, above 0, 0.001 by default; NoScale, NoShift
// Errors: number_outside_range, options_contradict, option_not_taken
// Example: using Net = Sequential<Input<32, 32, 3>, BatchNorm, Conv<3, 16>, BatchNormOf<Momentum<0.9>, Epsilon<1e-5>>>;
// Keras: BatchNormalization(), with the same defaults
// PyTorch: nn.BatchNorm2d(C) is BatchNormOf<Momentum<0.9>, Epsilon<1e-5>>, but its running variance is divided by N H W -
//   1
// Source: Ioffe, Szegedy 2015
template <class... Options>
struct BatchNormOf {
  static constexpr const char* name = "BatchNorm";
  static constexpr const char* keras = "batch_normalization";
  static constexpr detail::Settings settings = detail::read_options < detail::sets_momentum | detail::sets_epsilon |
                                               detail::sets_scale | detail::sets_shift,
                                    Options... > ({});
  static constexpr double momentum = settings.momentum;
  static constexpr double epsilon = settings.epsilon;
  static constexpr bool has_scale = settings.scale, has_shift = settings.shift;
  // Momentum is not among them: it changes training, but not what a network with given weights computes. With the defaults
  // there are none, so that the fingerprint is that of files from before there were options.
  static constexpr auto numbers = [] {
    constexpr bool usual = epsilon == 1e-3 && has_scale && has_shift;
    if constexpr (usual)
      return std::array<double, 0>{};
    else
      return std::array{epsilon, has_scale ? 1.0 : 0.0, has_shift ? 1.0 : 0.0};
  }();

  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s = detail::keep(in, Values::any);
    s.parameters = detail::saturating_multiply((has_scale ? 1 : 0) + (has_shift ? 1 : 0), in.channels);
    s.state = detail::saturating_multiply(2, in.channels);
    s.fail(settings.fault);
    if (!(momentum >= 0 && momentum < 1 && epsilon > 0)) s.fail(Fault::number_outside_range);
    return s;
  }
  [[gnu::always_inline]] static constexpr auto tensors(Shape in) {
    const std::int64_t c = in.channels;
    std::array<TensorInfo, std::size_t{2} + (has_scale ? 1 : 0) + (has_shift ? 1 : 0)> t{};
    std::size_t next = 0;
    if constexpr (has_scale) t[next++] = TensorInfo{"gamma", Role::scale, {c}, 1, 0, 0};
    if constexpr (has_shift) t[next++] = TensorInfo{"beta", Role::shift, {c}, 1, 0, 0};
    t[next++] = TensorInfo{"moving_mean", Role::running_mean, {c}, 1, 0, 0};
    t[next] = TensorInfo{"moving_variance", Role::running_variance, {c}, 1, 0, 0};
    return t;
  }
};
// A type of its own, so that it is written, and stands in errors, without <>.
struct BatchNorm : BatchNormOf<> {};

inline namespace STRATA_ABI {
namespace detail {
// GroupNorm and LayerNorm share these options and tensors.
template <class... Options>
struct SampleNorm {
  static constexpr Settings settings = read_options < sets_epsilon | sets_scale | sets_shift, Options... > ({});
  static constexpr double epsilon = settings.epsilon;
  static constexpr bool has_scale = settings.scale, has_shift = settings.shift;
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s = keep(in, Values::any);
    s.parameters = saturating_multiply((has_scale ? 1 : 0) + (has_shift ? 1 : 0), in.channels);
    s.fail(settings.fault);
    if (!(epsilon > 0)) s.fail(Fault::number_outside_range);
    return s;
  }
  [[gnu::always_inline]] static constexpr auto tensors(Shape in) {
    const std::int64_t c = in.channels;
    std::array<TensorInfo, std::size_t{has_scale ? 1 : 0} + (has_shift ? 1 : 0)> t{};
    if constexpr (has_scale) t[0] = TensorInfo{"gamma", Role::scale, {c}, 1, 0, 0};
    if constexpr (has_shift) t[has_scale ? 1 : 0] = TensorInfo{"beta", Role::shift, {c}, 1, 0, 0};
    return t;
  }
};
}  // namespace detail
}  // namespace STRATA_ABI

// Normalizes each group of channels of each sample by its own mean and variance, over (H,W,C/Groups). One group takes all
// of a sample; as many groups as channels is instance normalization.
// Formula: y = gamma (x - mean) / sqrt(variance + epsilon) + beta
// Shapes: (N,H,W,C) or (N,C), which it keeps
// Trained: gamma (C), beta (C)
// Options: Groups, a divisor of the channels; Epsilon, above 0, 0.001 by default; NoScale, NoShift
// Errors: not_positive, groups_do_not_divide_channels, number_outside_range, options_contradict, option_not_taken
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<3, 16>, GroupNorm<4>, ReLU, GroupNorm<16, Epsilon<1e-5>>>;
// Keras: GroupNormalization(Groups), with the same epsilon
// PyTorch: nn.GroupNorm(Groups, C) is GroupNorm<Groups, Epsilon<1e-5>>
// Source: Wu, He 2018
template <int Groups, class... Options>
struct GroupNorm : detail::SampleNorm<Options...> {
  static constexpr const char* name = "GroupNorm";
  static constexpr const char* keras = "group_normalization";
  static constexpr int groups = Groups;
  static constexpr std::array numbers{static_cast<double>(Groups), GroupNorm::epsilon, GroupNorm::has_scale ? 1.0 : 0.0,
                                      GroupNorm::has_shift ? 1.0 : 0.0};
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s = detail::SampleNorm<Options...>::infer(in);
    detail::check_groups(s, in.channels, Groups);
    return s;
  }
};

// Normalizes the channels of each position by their mean and variance, as in ConvNeXt. A vector is normalized as a whole.
// LayerNorm has the defaults, LayerNormOf takes options.
// Formula: y = gamma (x - mean) / sqrt(variance + epsilon) + beta
// Shapes: (N,H,W,C) or (N,C), which it keeps
// Trained: gamma (C), beta (C)
// Options: Epsilon, above 0, 0.001 by default; NoScale, NoShift
// Errors: number_outside_range, options_contradict, option_not_taken
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<4, 96, Stride<4>>, LayerNorm, LayerNormOf<Epsilon<1e-6>>>;
// Keras: LayerNormalization(), with the same epsilon
// PyTorch: nn.LayerNorm(C) on data with the channels last is LayerNormOf<Epsilon<1e-5>>. nn.LayerNorm((C, H, W)) takes
//   all of a sample, as GroupNorm<1> does, but has a gamma and a beta for each element
// Source: Ba, Kiros, Hinton 2016
template <class... Options>
struct LayerNormOf : detail::SampleNorm<Options...> {
  static constexpr const char* name = "LayerNorm";
  static constexpr const char* keras = "layer_normalization";
  static constexpr std::array numbers{LayerNormOf::epsilon, LayerNormOf::has_scale ? 1.0 : 0.0,
                                      LayerNormOf::has_shift ? 1.0 : 0.0};
};
// A type of its own, so that it is written, and stands in errors, without <>.
struct LayerNorm : LayerNormOf<> {};

// Local response normalization: divides each element by a power of the sum of squares of the N channels around it. Alpha
// multiplies the sum, as in the paper and in TensorFlow; Caffe, PyTorch and cuDNN divide alpha by N first.
// Formula: y[c] = x[c] / (K + Alpha sum of x[i]^2 for i from c - N / 2 on, N channels)^Beta; N / 2 is rounded down
// Shapes: (N,H,W,C), which it keeps
// Options: N, at least 1, 5 by default; K, above 0, 2 by default; Alpha, at least 0, 1e-4 by default; Beta, at least 0,
//   0.75 by default
// Errors: needs_feature_map, not_positive, number_outside_range
// Example: using Net = Sequential<Input<32, 32, 3>, Conv<5, 96>, ReLU, LRN<>, Conv<5, 96>, LRN<11, 1.0, 1e-4, 0.75>>;
// Keras: none; tf.nn.lrn(x, depth_radius=2, bias=K, alpha=Alpha, beta=Beta) for N = 5
// PyTorch: nn.LocalResponseNorm(N, alpha=N * Alpha, beta=Beta, k=K)
// Source: Krizhevsky, Sutskever, Hinton 2012, section 3.3
template <int N = 5, double K = 2.0, double Alpha = 1e-4, double Beta = 0.75>
struct LRN {
  static constexpr const char* name = "LRN";
  static constexpr int n = N;
  static constexpr double k = K, alpha = Alpha, beta = Beta;
  static constexpr std::array numbers{static_cast<double>(N), K, Alpha, Beta};
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s;
    s.out = in;
    if (N < 1) return detail::fault(in, Fault::not_positive, 1, N, Parameter::kernel);
    // k = 0 divides by zero if all inputs of a window are zero, as often after a ReLU.
    if (!(K > 0 && Alpha >= 0 && Beta >= 0)) s.fault = Fault::number_outside_range;
    return in.flat ? detail::fault(in, Fault::needs_feature_map, 0, in.channels) : s;
  }
};

}  // namespace strata
