// SPDX-License-Identifier: BSL-1.0
// Batch normalisation and local response normalisation. Both keep the shape.
#pragma once
#include <array>

#include <strata/core/options.hpp>
#include <strata/core/tensor_info.hpp>

namespace strata {

// Batch normalisation (Ioffe, Szegedy 2015) of each channel, over (N,H,W,C) or (N,C). Trainable: gamma and beta, 2C
// numbers. The running mean and variance are state, not parameters; Keras counts them too (4C). Momentum and epsilon are
// the defaults of Keras.
struct BatchNorm {
  static constexpr const char* name = "BatchNorm";
  static constexpr const char* keras = "batch_normalization";
  static constexpr double momentum = 0.99;
  static constexpr double epsilon = 1e-3;
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s = detail::keep(in, Values::any);
    s.parameters = detail::saturating_multiply(2, in.channels);
    s.state = detail::saturating_multiply(2, in.channels);
    return s;
  }
  [[gnu::always_inline]] static constexpr std::array<TensorInfo, 4> tensors(Shape in) {
    const std::int64_t c = in.channels;
    return {TensorInfo{"gamma", Role::scale, {c}, 1, 0, 0}, TensorInfo{"beta", Role::shift, {c}, 1, 0, 0},
            TensorInfo{"moving_mean", Role::running_mean, {c}, 1, 0, 0},
            TensorInfo{"moving_variance", Role::running_variance, {c}, 1, 0, 0}};
  }
};

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
