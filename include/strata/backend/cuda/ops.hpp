// SPDX-License-Identifier: BSL-1.0
// A GPU's entry points: what a kernel may ask for, in plain arguments, under the names of backend/cpu/ops.hpp. The engine
// has the products (convolutions, dense layers); everything else is elements. No CUDA header is needed to read this.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cuda/activations.hpp>
#include <strata/backend/cuda/batch_norm.hpp>
#include <strata/backend/cuda/bias.hpp>
#include <strata/backend/cuda/combine.hpp>
#include <strata/backend/cuda/dropout.hpp>
#include <strata/backend/cuda/group_norm.hpp>
#include <strata/backend/cuda/losses.hpp>
#include <strata/backend/cuda/lrn.hpp>
#include <strata/backend/cuda/pool.hpp>
#include <strata/backend/cuda/prelu.hpp>
#include <strata/backend/cuda/softmax.hpp>
#include <strata/backend/cuda/upsample.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/lrn.hpp>
#include <strata/core/upsample.hpp>
#include <strata/core/window.hpp>
#include <strata/model/kernel_traits.hpp>

namespace strata::inline STRATA_ABI::cuda {

// The random numbers of a layer. The step is read on the device, so that a captured step can be replayed.
struct StepRandom {
  std::uint64_t seed;
  std::uint32_t layer;
  const std::uint64_t* step;
  std::uint64_t first = 0;

  // The same numbers, with elements counted from this one.
  [[nodiscard]] StepRandom from(std::uint64_t element) const { return {seed, layer, step, first + element}; }
};

// A handle: copy it freely. The engine must outlive it. All pointers are the device's, and all calls are queued.
// Convolutions' weights are (F,KH,KW,C/groups). `scratch` is as large as the function of that name says.
// Engine: Activation, Parameter, device(), and for products the members that engine.hpp has.
template <class Engine>
class Ops {
 public:
  using Activation = typename Engine::Activation;
  using Parameter = typename Engine::Parameter;
  using Compute = cuda::Compute<Activation>;
  using Random = StepRandom;
  using A = Activation;
  using T = Parameter;

  explicit Ops(Engine& engine) : engine_(&engine) {}

  // ---- For layers of your own ----

  // Calls f(i) for each i in [0, n), in any order. f is copied to the device.
  template <class F>
  void elements(std::int64_t n, const F& f) const {
    run()(n, f);
  }
  void copy(std::int64_t n, const A* from, A* to) const { cuda::copy(run(), n, from, to); }

  // ---- Where branches meet ----

  // y may be a or b.
  void add(std::int64_t n, const A* a, const A* b, A* y) const { add_forward(run(), n, a, b, y); }
  void concat_copy(std::int64_t rows, int channels, const A* branch, int total, int offset, A* whole) const {
    cuda::concat_copy(run(), rows, channels, branch, total, offset, whole);
  }
  void concat_take(std::int64_t rows, int channels, A* branch, int total, int offset, const A* whole) const {
    cuda::concat_take(run(), rows, channels, branch, total, offset, whole);
  }
  // y = x gate: x (samples,area,C), gate (samples,C). dx and dgate may be null.
  void gate_forward(std::int64_t samples, std::int64_t area, int channels, const A* x, const A* gate, A* y) const {
    cuda::gate_forward(run(), samples, area, channels, x, gate, y);
  }
  void gate_backward(std::int64_t samples, std::int64_t area, int channels, const A* x, const A* gate, const A* dy, A* dx,
                     A* dgate) const {
    cuda::gate_backward(run(), samples, area, channels, x, gate, dy, dx, dgate);
  }

  // ---- Convolutions: bias, db and dx may be null ----

  // Room for the partial sums of the bias' gradient, or for the weights' gradient before it is converted.
  static constexpr std::int64_t conv_scratch(const Geometry& g, int batch, int /*threads*/) {
    return std::max(bias_gradient_scratch(rows(g, batch), g.out.channels), g.taps() * g.out.channels);
  }
  void prepare_conv(const Geometry& g, int batch, bool bias, const Preparation& wanted) const {
    engine_->prepare_conv_forward(g, batch, bias, wanted.offset);
    if (wanted.training) engine_->prepare_conv_backward_weights(g, batch, wanted.offset);
    if (wanted.input_gradient) engine_->prepare_conv_backward_input(g, batch, wanted.offset);
  }
  // relu: y is rectified.
  void conv_forward(const Geometry& g, int batch, const A* x, const T* w, const T* bias, A* y, bool relu, bool /*training*/,
                    T* /*scratch*/) const {
    engine_->conv_forward(g, batch, x, w, bias, y, relu);
  }
  void conv_backward(const Geometry& g, int batch, const A* x, const T* w, const A* dy, A* dx, T* dw, T* db,
                     T* scratch) const {
    engine_->conv_backward_weights(g, batch, x, dy, dw, scratch);
    if (db) bias_gradient(run(), rows(g, batch), g.out.channels, dy, db, scratch);
    if (dx) engine_->conv_backward_input(g, batch, dy, w, dx);
  }
  // Transposed ones, by the geometry of the convolution that they are the transpose of: x (batch, g.out), y (batch, g.in).
  static constexpr std::int64_t conv_transpose_scratch(const Geometry& g, int batch, int /*threads*/) {
    return std::max(bias_gradient_scratch(rows_in(g, batch), g.in.channels), g.taps() * g.out.channels);
  }
  void prepare_conv_transpose(const Geometry& g, int batch, const Preparation& wanted) const {
    engine_->prepare_conv_backward_input(g, batch, wanted.offset);
    if (wanted.training) engine_->prepare_conv_backward_weights(g, batch, wanted.offset);
    if (wanted.input_gradient) engine_->prepare_conv_forward(g, batch, false, wanted.offset);
  }
  void conv_transpose_forward(const Geometry& g, int batch, const A* x, const T* w, const T* bias, A* y,
                              T* /*scratch*/) const {
    engine_->conv_backward_input(g, batch, x, w, y);
    if (bias) add_bias(run(), rows_in(g, batch), g.in.channels, bias, y, false);
  }
  void conv_transpose_backward(const Geometry& g, int batch, const A* x, const T* w, const A* dy, A* dx, T* dw, T* db,
                               T* scratch) const {
    engine_->conv_backward_weights(g, batch, dy, x, dw, scratch);
    if (db) bias_gradient(run(), rows_in(g, batch), g.in.channels, dy, db, scratch);
    if (dx) engine_->conv_forward(g, batch, dy, w, nullptr, dx, false);
  }

  // ---- Dense layers: likewise ----

  static constexpr std::int64_t dense_scratch(int /*in*/, int units, int batch, int /*threads*/) {
    return bias_gradient_scratch(batch, units);
  }
  void prepare_dense(int in, int units, int batch, bool bias, const Preparation& wanted) const {
    engine_->prepare_dense_forward(in, units, batch, bias, wanted.offset);
    if (wanted.training) engine_->prepare_dense_backward_weights(in, units, batch, wanted.offset);
    if (wanted.input_gradient) engine_->prepare_dense_backward_input(in, units, batch, wanted.offset);
  }
  void dense_forward(int in, int units, int batch, const A* x, const T* w, const T* bias, A* y, bool relu,
                     bool /*training*/, T* /*scratch*/) const {
    engine_->dense_forward(in, units, batch, x, w, bias, y, relu);
  }
  void dense_backward(int in, int units, int batch, const A* x, const T* w, const A* dy, A* dx, T* dw, T* db,
                      T* scratch) const {
    engine_->dense_backward_weights(in, units, batch, x, dy, dw);
    if (db) bias_gradient(run(), batch, units, dy, db, scratch);
    if (dx) engine_->dense_backward_input(in, units, batch, dy, w, dx);
  }

  // ---- Pools ----

  // argmax: where each maximum is in its channel's map, -1 if the window is all padding. It may be null.
  void max_pool_forward(const Geometry& g, int batch, const A* x, A* y, std::int32_t* argmax) const {
    cuda::max_pool_forward(run(), g, batch, x, y, argmax);
  }
  void max_pool_backward(const Geometry& g, int batch, const A* dy, const std::int32_t* argmax, A* dx) const {
    cuda::max_pool_backward(run(), g, batch, dy, argmax, dx);
  }
  // Through the pool and a ReLU before it; x is what the pool reads, rectified or not.
  void relu_max_pool_backward(const Geometry& g, int batch, const A* x, const A* dy, const std::int32_t* argmax,
                              A* dx) const {
    cuda::relu_max_pool_backward(run(), g, batch, x, dy, argmax, dx);
  }
  // count_padding: zeros of the padding count in the means.
  void avg_pool_forward(const Geometry& g, bool count_padding, int batch, const A* x, A* y) const {
    cuda::avg_pool_forward(run(), g, count_padding, batch, x, y);
  }
  void avg_pool_backward(const Geometry& g, bool count_padding, int batch, const A* dy, A* dx) const {
    cuda::avg_pool_backward(run(), g, count_padding, batch, dy, dx);
  }
  void global_avg_pool_forward(Shape in, int batch, const A* x, A* y) const {
    cuda::global_avg_pool_forward(run(), in, batch, x, y);
  }
  void global_avg_pool_backward(Shape in, int batch, const A* dy, A* dx) const {
    cuda::global_avg_pool_backward(run(), in, batch, dy, dx);
  }

  // ---- Enlarged maps, and other orders of the channels: y[j groups + i] = x[i C / groups + j] ----

  void upsample_forward(const Upsampling& u, int batch, const A* x, A* y) const {
    cuda::upsample_forward(run(), u, batch, x, y);
  }
  void upsample_backward(const Upsampling& u, int batch, const A* dy, A* dx) const {
    cuda::upsample_backward(run(), u, batch, dy, dx);
  }
  void shuffle_channels(std::int64_t rows, int channels, int groups, const A* x, A* y) const {
    cuda::shuffle_channels(run(), rows, channels, groups, x, y);
  }

  // ---- Activations: F is a struct as in layers/activations.hpp; y may be x, and dx may be dy unless F needs x ----

  template <class F>
  void activation_forward(std::int64_t n, const A* x, A* y) const {
    cuda::activation_forward<F>(run(), n, x, y);
  }
  template <class F>
  void activation_backward(std::int64_t n, const A* x, const A* y, const A* dy, A* dx) const {
    cuda::activation_backward<F>(run(), n, x, y, dy, dx);
  }

  // A slope for each channel. dx may be null.
  static constexpr std::int64_t prelu_scratch(std::int64_t rows, int channels) {
    return cuda::prelu_scratch(rows, channels);
  }
  void prelu_forward(std::int64_t rows, int channels, const A* x, const T* slopes, A* y) const {
    cuda::prelu_forward(run(), rows, channels, x, slopes, y);
  }
  void prelu_backward(std::int64_t rows, int channels, const A* x, const T* slopes, const A* dy, A* dx, T* dslopes,
                      T* scratch) const {
    cuda::prelu_backward(run(), rows, channels, x, slopes, dy, dx, dslopes, scratch);
  }

  void softmax_forward(int batch, int classes, const A* x, A* y) const {
    cuda::softmax_forward(run(), batch, classes, x, y);
  }
  void softmax_backward(int batch, int classes, const A* y, const A* dy, A* dx) const {
    cuda::softmax_backward(run(), batch, classes, y, dy, dx);
  }
  void log_softmax_forward(int batch, int classes, const A* x, A* y) const {
    cuda::log_softmax_forward(run(), batch, classes, x, y);
  }
  void log_softmax_backward(int batch, int classes, const A* y, const A* dy, A* dx) const {
    cuda::log_softmax_backward(run(), batch, classes, y, dy, dx);
  }

  // ---- Dropout: in place or not ----

  void dropout_forward(std::int64_t n, double rate, const Random& r, const A* x, A* y) const {
    cuda::dropout_forward(run(), n, rate, r.seed, r.layer, r.step, x, y, r.first);
  }
  void dropout_backward(std::int64_t n, double rate, const Random& r, const A* dy, A* dx) const {
    cuda::dropout_backward(run(), n, rate, r.seed, r.layer, r.step, dy, dx, r.first);
  }
  // Whole samples of `size` elements; forward and backward.
  void drop_samples(int batch, std::int64_t size, double rate, const Random& r, const A* x, A* y) const {
    cuda::drop_samples(run(), batch, size, rate, r.seed, r.layer, r.step, x, y, r.first);
  }
  // Through the dropout and a ReLU before it, from the dropout's output.
  void relu_dropout_backward(std::int64_t n, double rate, const A* y, const A* dy, A* dx) const {
    cuda::relu_dropout_backward(run(), n, rate, y, dy, dx);
  }

  // ---- Normalizations: dx may be dy ----

  static constexpr std::int64_t batch_norm_scratch(Shape in, int batch) { return cuda::batch_norm_scratch(in, batch); }
  void batch_norm_forward(Shape in, int batch, T epsilon, T momentum, const A* x, const T* gamma, const T* beta,
                          T* running_mean, T* running_variance, T* mean, T* inverse_deviation, A* y, T* scratch) const {
    cuda::batch_norm_forward(run(), in, batch, epsilon, momentum, x, gamma, beta, running_mean, running_variance, mean,
                             inverse_deviation, y, scratch);
  }
  void batch_norm_inference(Shape in, int batch, T epsilon, const A* x, const T* gamma, const T* beta,
                            const T* running_mean, const T* running_variance, A* y) const {
    cuda::batch_norm_inference(run(), in, batch, epsilon, x, gamma, beta, running_mean, running_variance, y);
  }
  void batch_norm_backward(Shape in, int batch, const A* x, const T* gamma, const T* mean, const T* inverse_deviation,
                           const A* dy, A* dx, T* dgamma, T* dbeta, T* scratch) const {
    cuda::batch_norm_backward(run(), in, batch, x, gamma, mean, inverse_deviation, dy, dx, dgamma, dbeta, scratch);
  }

  // Groups of channels of each sample, x (samples,area,C). gamma, beta, dx, dgamma and dbeta may be null.
  static constexpr std::int64_t group_norm_scratch(std::int64_t samples, std::int64_t area, int channels, int groups) {
    return cuda::group_norm_scratch(samples, area, channels, groups);
  }
  void group_norm_forward(std::int64_t samples, std::int64_t area, int channels, int groups, T epsilon, const A* x,
                          const T* gamma, const T* beta, T* mean, T* inverse_deviation, A* y) const {
    cuda::group_norm_forward(run(), samples, area, channels, groups, epsilon, x, gamma, beta, mean, inverse_deviation, y);
  }
  void group_norm_backward(std::int64_t samples, std::int64_t area, int channels, int groups, const A* x, const T* gamma,
                           const T* mean, const T* inverse_deviation, const A* dy, A* dx, T* dgamma, T* dbeta,
                           T* scratch) const {
    cuda::group_norm_backward(run(), samples, area, channels, groups, x, gamma, mean, inverse_deviation, dy, dx, dgamma,
                              dbeta, scratch);
  }

  void lrn_forward(Shape in, int batch, const LrnParameters& p, const A* x, A* y) const {
    cuda::lrn_forward(run(), in, batch, p, x, y);
  }
  void lrn_backward(Shape in, int batch, const LrnParameters& p, const A* x, const A* y, const A* dy, A* dx) const {
    cuda::lrn_backward(run(), in, batch, p, x, y, dy, dx);
  }

  // ---- Losses: rows of `width` outputs; labels (rows) or targets (rows,width); gradient may be null ----

  template <class Loss, class Element>
  void run_loss(const Loss& loss, std::int64_t rows, int width, const A* x, const Element* target, Compute* values,
                A* gradient) const {
    cuda::run_loss(run(), loss, rows, width, x, target, values, gradient);
  }

 private:
  [[nodiscard]] auto& run() const { return engine_->device(); }
  static constexpr std::int64_t rows(const Geometry& g, int batch) {
    return std::int64_t{batch} * g.out.height * g.out.width;
  }
  static constexpr std::int64_t rows_in(const Geometry& g, int batch) {
    return std::int64_t{batch} * g.in.height * g.in.width;
  }
  Engine* engine_;
};

}  // namespace strata::inline STRATA_ABI::cuda
