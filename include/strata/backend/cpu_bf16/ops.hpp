// SPDX-License-Identifier: BSL-1.0
// The entry points of the CPU in bfloat16, under the names of backend/cpu/ops.hpp. Activations and their gradients are
// bfloat16; parameters, their gradients and all sums are float32. Layers that few networks are bound by run the GPU's
// kernels of single elements, which know both types.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu/combine.hpp>
#include <strata/backend/cpu_bf16/batch_norm.hpp>
#include <strata/backend/cpu_bf16/conv.hpp>
#include <strata/backend/cpu_bf16/dense.hpp>
#include <strata/backend/cpu_bf16/elements.hpp>
#include <strata/backend/cpu_bf16/pool.hpp>
#include <strata/backend/cpu_bf16/row_sums.hpp>
#include <strata/backend/cpu_bf16/sizes.hpp>
#include <strata/backend/cuda/combine.hpp>
#include <strata/backend/cuda/group_norm.hpp>
#include <strata/backend/cuda/losses.hpp>
#include <strata/backend/cuda/lrn.hpp>
#include <strata/backend/cuda/pool.hpp>
#include <strata/backend/cuda/prelu.hpp>
#include <strata/backend/cuda/softmax.hpp>
#include <strata/backend/cuda/upsample.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/lrn.hpp>
#include <strata/core/upsample.hpp>
#include <strata/core/window.hpp>
#include <strata/model/kernel_traits.hpp>
#include <strata/util/random.hpp>
#include <strata/util/thread_pool.hpp>

namespace strata::inline STRATA_ABI::cpu::bf16 {

// A handle: copy it freely. The pool must outlive it. `scratch` is as large as the function of that name says.
class Ops {
 public:
  using Activation = Bf16;
  using Parameter = float;
  using Compute = float;
  using Random = strata::Random;
  using A = Activation;
  using T = Parameter;

  explicit Ops(ThreadPool& pool, BatchSums* sums = nullptr) : pool_(&pool), sums_(sums), run_{&pool} {}
  [[nodiscard]] ThreadPool& pool() const { return *pool_; }

  // ---- For layers of your own ----

  // Calls f(i) for each i in [0, n), in any order and from several threads. f must be copyable.
  template <class F>
  void elements(std::int64_t n, const F& f) const {
    for_elements(n, *pool_, f);
  }
  void copy(std::int64_t n, const A* from, A* to) const {
    for_chunks(n, *pool_, [=](std::int64_t first, std::int64_t count) { std::copy_n(from + first, count, to + first); });
  }

  // ---- Where branches meet ----

  // y may be a or b.
  void add(std::int64_t n, const A* a, const A* b, A* y) const { add_forward(n, a, b, y, *pool_); }
  void concat_copy(std::int64_t rows, int channels, const A* branch, int total, int offset, A* whole) const {
    cpu::concat_copy(rows, channels, branch, total, offset, whole, *pool_);
  }
  void concat_take(std::int64_t rows, int channels, A* branch, int total, int offset, const A* whole) const {
    cpu::concat_take(rows, channels, branch, total, offset, whole, *pool_);
  }
  // y = x gate: x (samples,area,C), gate (samples,C). dx and dgate may be null.
  void gate_forward(std::int64_t samples, std::int64_t area, int channels, const A* x, const A* gate, A* y) const {
    cuda::gate_forward(run_, samples, area, channels, x, gate, y);
  }
  void gate_backward(std::int64_t samples, std::int64_t area, int channels, const A* x, const A* gate, const A* dy, A* dx,
                     A* dgate) const {
    cuda::gate_backward(run_, samples, area, channels, x, gate, dy, dx, dgate);
  }

  // ---- Convolutions: bias, db and dx may be null ----

  static constexpr std::int64_t conv_scratch(const Geometry& g, int batch, int threads) {
    return bf16::conv_scratch(g, batch, threads);
  }
  void prepare_conv(const Geometry&, int /*batch*/, bool /*bias*/, const Preparation&) const {}
  // relu: y is rectified.
  void conv_forward(const Geometry& g, int batch, const A* x, const T* w, const T* bias, A* y, bool relu, bool /*training*/,
                    T* scratch) const {
    bf16::conv_forward(g, batch, x, w, bias, y, *pool_, scratch, relu);
  }
  void conv_backward(const Geometry& g, int batch, const A* x, const T* w, const A* dy, A* dx, T* dw, T* db,
                     T* scratch) const {
    conv_backward_weights(g, batch, x, dy, dw, db, *pool_, scratch);
    if (dx) conv_backward_input(g, batch, dy, w, dx, *pool_, scratch);
  }
  // Transposed ones, by the geometry of the convolution that they are the transpose of: x (batch, g.out), y (batch, g.in).
  static constexpr std::int64_t conv_transpose_scratch(const Geometry& g, int batch, int threads) {
    return bf16::conv_scratch(g, batch, threads);
  }
  void prepare_conv_transpose(const Geometry&, int /*batch*/, const Preparation&) const {}
  void conv_transpose_forward(const Geometry& g, int batch, const A* x, const T* w, const T* bias, A* y, T* scratch) const {
    conv_backward_input(g, batch, x, w, y, *pool_, scratch, bias);
  }
  void conv_transpose_backward(const Geometry& g, int batch, const A* x, const T* w, const A* dy, A* dx, T* dw, T* db,
                               T* scratch) const {
    T* const none = nullptr;
    conv_backward_weights(g, batch, dy, x, dw, none, *pool_, scratch);
    if (db) detail::sum_rows(batch * g.in.size() / g.in.channels, g.in.channels, dy, db, *pool_, scratch);
    if (dx) bf16::conv_forward(g, batch, dy, w, none, dx, *pool_, scratch);
  }

  // ---- Dense layers: likewise ----

  static constexpr std::int64_t dense_scratch(int in, int units, int batch, int threads) {
    return bf16::dense_scratch(in, units, batch, threads);
  }
  void prepare_dense(int /*in*/, int /*units*/, int /*batch*/, bool /*bias*/, const Preparation&) const {}
  void dense_forward(int in, int units, int batch, const A* x, const T* w, const T* bias, A* y, bool relu,
                     bool /*training*/, T* scratch) const {
    bf16::dense_forward(in, units, batch, x, w, bias, y, *pool_, scratch, relu);
  }
  void dense_backward(int in, int units, int batch, const A* x, const T* w, const A* dy, A* dx, T* dw, T* db,
                      T* scratch) const {
    dense_backward_weights(in, units, batch, x, dy, dw, db, *pool_, scratch);
    if (dx) dense_backward_input(in, units, batch, dy, w, dx, *pool_, scratch);
  }

  // ---- Pools ----

  // argmax: where each maximum is in its channel's map, -1 if the window is all padding. It may be null.
  void max_pool_forward(const Geometry& g, int batch, const A* x, A* y, std::int32_t* argmax) const {
    bf16::max_pool_forward(g, batch, x, y, argmax, *pool_);
  }
  void max_pool_backward(const Geometry& g, int batch, const A* dy, const std::int32_t* argmax, A* dx) const {
    bf16::max_pool_backward(g, batch, dy, argmax, dx, *pool_);
  }
  // count_padding: zeros of the padding count in the means.
  void avg_pool_forward(const Geometry& g, bool count_padding, int batch, const A* x, A* y) const {
    cuda::avg_pool_forward(run_, g, count_padding, batch, x, y);
  }
  void avg_pool_backward(const Geometry& g, bool count_padding, int batch, const A* dy, A* dx) const {
    cuda::avg_pool_backward(run_, g, count_padding, batch, dy, dx);
  }
  void global_avg_pool_forward(Shape in, int batch, const A* x, A* y) const {
    cuda::global_avg_pool_forward(run_, in, batch, x, y);
  }
  void global_avg_pool_backward(Shape in, int batch, const A* dy, A* dx) const {
    cuda::global_avg_pool_backward(run_, in, batch, dy, dx);
  }

  // ---- Enlarged maps, and other orders of the channels: y[j groups + i] = x[i C / groups + j] ----

  void upsample_forward(const Upsampling& u, int batch, const A* x, A* y) const {
    cuda::upsample_forward(run_, u, batch, x, y);
  }
  void upsample_backward(const Upsampling& u, int batch, const A* dy, A* dx) const {
    cuda::upsample_backward(run_, u, batch, dy, dx);
  }
  void shuffle_channels(std::int64_t rows, int channels, int groups, const A* x, A* y) const {
    cpu::shuffle_channels(rows, channels, groups, x, y, *pool_);
  }

  // ---- Activations: F is a struct as in layers/activations.hpp; y may be x, and dx may be dy unless F needs x ----

  template <class F>
  void activation_forward(std::int64_t n, const A* x, A* y) const {
    bf16::activation_forward<F>(n, x, y, *pool_);
  }
  template <class F>
  void activation_backward(std::int64_t n, const A* x, const A* y, const A* dy, A* dx) const {
    bf16::activation_backward<F>(n, x, y, dy, dx, *pool_);
  }

  // A slope for each channel. dx may be null.
  static constexpr std::int64_t prelu_scratch(std::int64_t rows, int channels) {
    return cuda::prelu_scratch(rows, channels);
  }
  void prelu_forward(std::int64_t rows, int channels, const A* x, const T* slopes, A* y) const {
    cuda::prelu_forward(run_, rows, channels, x, slopes, y);
  }
  void prelu_backward(std::int64_t rows, int channels, const A* x, const T* slopes, const A* dy, A* dx, T* dslopes,
                      T* scratch) const {
    cuda::prelu_backward(run_, rows, channels, x, slopes, dy, dx, dslopes, scratch);
  }

  void softmax_forward(int batch, int classes, const A* x, A* y) const {
    cuda::softmax_forward(run_, batch, classes, x, y);
  }
  void softmax_backward(int batch, int classes, const A* y, const A* dy, A* dx) const {
    cuda::softmax_backward(run_, batch, classes, y, dy, dx);
  }
  void log_softmax_forward(int batch, int classes, const A* x, A* y) const {
    cuda::log_softmax_forward(run_, batch, classes, x, y);
  }
  void log_softmax_backward(int batch, int classes, const A* y, const A* dy, A* dx) const {
    cuda::log_softmax_backward(run_, batch, classes, y, dy, dx);
  }

  // ---- Dropout: in place or not ----

  void dropout_forward(std::int64_t n, double rate, const Random& random, const A* x, A* y) const {
    dropout(n, rate, random, x, y, *pool_);
  }
  void dropout_backward(std::int64_t n, double rate, const Random& random, const A* dy, A* dx) const {
    dropout(n, rate, random, dy, dx, *pool_);
  }
  // Whole samples of `size` elements; forward and backward.
  void drop_samples(int batch, std::int64_t size, double rate, const Random& random, const A* x, A* y) const {
    bf16::drop_samples(batch, size, rate, random, x, y, *pool_);
  }

  // ---- Normalizations: dx may be dy ----

  static constexpr std::int64_t batch_norm_scratch(Shape in, int batch) { return bf16::batch_norm_scratch(in, batch); }
  void batch_norm_forward(Shape in, int batch, T epsilon, T momentum, const A* x, const T* gamma, const T* beta,
                          T* running_mean, T* running_variance, T* mean, T* inverse_deviation, A* y, T* scratch) const {
    bf16::batch_norm_forward(in, batch, epsilon, momentum, x, gamma, beta, running_mean, running_variance, mean,
                             inverse_deviation, y, *pool_, sums_, scratch);
  }
  void batch_norm_inference(Shape in, int batch, T epsilon, const A* x, const T* gamma, const T* beta,
                            const T* running_mean, const T* running_variance, A* y) const {
    bf16::batch_norm_inference(in, batch, epsilon, x, gamma, beta, running_mean, running_variance, y, *pool_);
  }
  void batch_norm_backward(Shape in, int batch, const A* x, const T* gamma, const T* mean, const T* inverse_deviation,
                           const A* dy, A* dx, T* dgamma, T* dbeta, T* scratch) const {
    bf16::batch_norm_backward(in, batch, x, gamma, mean, inverse_deviation, dy, dx, dgamma, dbeta, *pool_, sums_, scratch);
  }

  // Groups of channels of each sample, x (samples,area,C). gamma, beta, dx, dgamma and dbeta may be null.
  static constexpr std::int64_t group_norm_scratch(std::int64_t samples, std::int64_t area, int channels, int groups) {
    return cuda::group_norm_scratch(samples, area, channels, groups);
  }
  void group_norm_forward(std::int64_t samples, std::int64_t area, int channels, int groups, T epsilon, const A* x,
                          const T* gamma, const T* beta, T* mean, T* inverse_deviation, A* y) const {
    cuda::group_norm_forward(run_, samples, area, channels, groups, epsilon, x, gamma, beta, mean, inverse_deviation, y);
  }
  void group_norm_backward(std::int64_t samples, std::int64_t area, int channels, int groups, const A* x, const T* gamma,
                           const T* mean, const T* inverse_deviation, const A* dy, A* dx, T* dgamma, T* dbeta,
                           T* scratch) const {
    cuda::group_norm_backward(run_, samples, area, channels, groups, x, gamma, mean, inverse_deviation, dy, dx, dgamma,
                              dbeta, scratch);
  }

  void lrn_forward(Shape in, int batch, const LrnParameters& p, const A* x, A* y) const {
    cuda::lrn_forward(run_, in, batch, p, x, y);
  }
  void lrn_backward(Shape in, int batch, const LrnParameters& p, const A* x, const A* y, const A* dy, A* dx) const {
    cuda::lrn_backward(run_, in, batch, p, x, y, dy, dx);
  }

  // ---- Losses: rows of `width` outputs; labels (rows) or targets (rows,width); gradient may be null ----

  template <class Loss, class Element>
  void run_loss(const Loss& loss, std::int64_t rows, int width, const A* x, const Element* target, Compute* values,
                A* gradient) const {
    cuda::run_loss(run_, loss, rows, width, x, target, values, gradient);
  }

 private:
  ThreadPool* pool_;
  BatchSums* sums_;
  detail::ElementRun run_;
};

}  // namespace strata::inline STRATA_ABI::cpu::bf16
