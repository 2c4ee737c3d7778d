// SPDX-License-Identifier: BSL-1.0
// Batch normalisation and local response normalisation. Both keep the shape.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include <strata/core/options.hpp>
#include <strata/core/tensor_info.hpp>

namespace strata {

// Batch normalisation (Ioffe, Szegedy 2015) of each channel, over (N,H,W,C) or (N,C). Trainable: gamma and beta, 2C
// numbers. The running mean and variance are state, not parameters; Keras counts them too (4C). Momentum 0.99 and epsilon
// 0.001 are the defaults of Keras; those of PyTorch are Momentum<0.9>, Epsilon<1e-5>.
// Options: Momentum, in [0, 1), Epsilon, above 0, NoScale, NoShift.
// Errors: number_outside_range, options_contradict, option_not_taken.
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

// Local response normalisation across channels (Krizhevsky, Sutskever, Hinton 2012, section 3.3), over (N,H,W,C):
// y = x / (k + alpha * sum of x^2 over n neighbouring channels)^beta. alpha multiplies the sum, as in the paper and in
// TensorFlow; Caffe, PyTorch and cuDNN divide alpha by n first.
// Errors: needs_feature_map, not_positive, number_outside_range.
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
