// SPDX-License-Identifier: BSL-1.0
// The CPU's entry points: what a kernel may ask for, in plain arguments. backend/cuda/ops.hpp has the same names.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include <strata/backend/cpu/activations.hpp>
#include <strata/backend/cpu/batch_norm.hpp>
#include <strata/backend/cpu/combine.hpp>
#include <strata/backend/cpu/conv.hpp>
#include <strata/backend/cpu/conv_pool.hpp>
#include <strata/backend/cpu/dense.hpp>
#include <strata/backend/cpu/dropout.hpp>
#include <strata/backend/cpu/losses.hpp>
#include <strata/backend/cpu/lrn.hpp>
#include <strata/backend/cpu/pool.hpp>
#include <strata/backend/cpu/softmax.hpp>
#include <strata/core/lrn.hpp>
#include <strata/core/window.hpp>
#include <strata/model/kernel_traits.hpp>
#include <strata/util/random.hpp>
#include <strata/util/thread_pool.hpp>

namespace strata::cpu {

// A handle: copy it freely. The pool must outlive it. `scratch` is as large as the function of that name says.
template <class T>
class Ops {
 public:
  using Activation = T;
  using Parameter = T;
  using Compute = T;
  using Random = strata::Random;

  explicit Ops(ThreadPool& pool) : pool_(&pool) {}
  [[nodiscard]] ThreadPool& pool() const { return *pool_; }

  // ---- For layers of your own ----

  // Calls f(i) for each i in [0, n), in any order and from several threads. f must be copyable; on a GPU it is copied to
  // the device.
  template <class F>
  void elements(std::int64_t n, const F& f) const {
    for_elements(n, *pool_, f);
  }
  void copy(std::int64_t n, const T* from, T* to) const { std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(T)); }

  // ---- Where branches meet ----

  // y may be a or b.
  void add(std::int64_t n, const T* a, const T* b, T* y) const { add_forward(n, a, b, y, *pool_); }
  void concat_copy(std::int64_t rows, int channels, const T* branch, int total, int offset, T* whole) const {
    cpu::concat_copy(rows, channels, branch, total, offset, whole, *pool_);
  }
  void concat_take(std::int64_t rows, int channels, T* branch, int total, int offset, const T* whole) const {
    cpu::concat_take(rows, channels, branch, total, offset, whole, *pool_);
  }

  // ---- Convolutions: bias, db and dx may be null ----

  static constexpr std::int64_t conv_scratch(const Geometry& g, int batch, int threads) {
    return cpu::conv_scratch<T>(g, batch, threads);
  }
  void prepare_conv(const Geometry&, int /*batch*/, bool /*bias*/, const Preparation&) const {}
  // relu: y is rectified. For a prediction (training is false), zeros in x may be skipped.
  void conv_forward(const Geometry& g, int batch, const T* x, const T* w, const T* bias, T* y, bool relu, bool training,
                    T* scratch) const {
    cpu::conv_forward(g, batch, x, w, bias, y, *pool_, scratch, relu, !training);
  }
  void conv_backward(const Geometry& g, int batch, const T* x, const T* w, const T* dy, T* dx, T* dw, T* db,
                     T* scratch) const {
    conv_backward_weights(g, batch, x, dy, dw, db, *pool_, scratch);
    if (dx) conv_backward_input(g, batch, dy, w, dx, *pool_, scratch);
  }
  // Backward of a convolution, a ReLU if there is one, and a max pool. to_pool is scratch for the pool's dx.
  static constexpr bool conv_pool_applies(const Geometry& conv, const Geometry& pool) {
    return cpu::conv_pool_applies(conv, pool);
  }
  static constexpr std::int64_t conv_pool_scratch(const Geometry& conv, int batch, int threads) {
    return cpu::conv_pool_scratch<T>(conv, batch, threads);
  }
  void conv_pool_backward(const Geometry& conv, const Geometry& pool, int batch, bool relu, const T* x, const T* w,
                          const T* pooled, const T* dpooled, const std::int32_t* argmax, T* dw, T* db, T* dx, T* to_pool,
                          T* scratch) const {
    cpu::conv_pool_backward(conv, pool, batch, relu, x, w, pooled, dpooled, argmax, dw, db, dx, to_pool, *pool_, scratch);
  }

  // ---- Dense layers: likewise ----

  static constexpr std::int64_t dense_scratch(int in, int units, int batch, int threads) {
    return cpu::dense_scratch<T>(in, units, batch, threads);
  }
  void prepare_dense(int /*in*/, int /*units*/, int /*batch*/, bool /*bias*/, const Preparation&) const {}
  void dense_forward(int in, int units, int batch, const T* x, const T* w, const T* bias, T* y, bool relu, bool training,
                     T* scratch) const {
    cpu::dense_forward(in, units, batch, x, w, bias, y, *pool_, scratch, !training);
    if (relu) activation_forward<ReLU>(std::int64_t{batch} * units, y, y);
  }
  void dense_backward(int in, int units, int batch, const T* x, const T* w, const T* dy, T* dx, T* dw, T* db,
                      T* scratch) const {
    dense_backward_weights(in, units, batch, x, dy, dw, db, *pool_, scratch);
    if (dx) dense_backward_input(in, units, batch, dy, w, dx, *pool_, scratch);
  }

  // ---- Pools ----

  // argmax: where each maximum is in its channel's map; -1 if the window is all padding.
  void max_pool_forward(const Geometry& g, int batch, const T* x, T* y, std::int32_t* argmax) const {
    cpu::max_pool_forward(g, batch, x, y, argmax, *pool_);
  }
  void max_pool_backward(const Geometry& g, int batch, const T* dy, const std::int32_t* argmax, T* dx) const {
    cpu::max_pool_backward(g, batch, dy, argmax, dx, *pool_);
  }
  void avg_pool_forward(const Geometry& g, int batch, const T* x, T* y) const {
    cpu::avg_pool_forward(g, batch, x, y, *pool_);
  }
  void avg_pool_backward(const Geometry& g, int batch, const T* dy, T* dx) const {
    cpu::avg_pool_backward(g, batch, dy, dx, *pool_);
  }
  void global_avg_pool_forward(Shape in, int batch, const T* x, T* y) const {
    cpu::global_avg_pool_forward(in, batch, x, y, *pool_);
  }
  void global_avg_pool_backward(Shape in, int batch, const T* dy, T* dx) const {
    cpu::global_avg_pool_backward(in, batch, dy, dx, *pool_);
  }

  // ---- Activations: F is a struct as in layers/activations.hpp; y may be x, and dx may be dy unless F needs x ----

  template <class F>
  void activation_forward(std::int64_t n, const T* x, T* y) const {
    cpu::activation_forward<F>(n, x, y, *pool_);
  }
  template <class F>
  void activation_backward(std::int64_t n, const T* x, const T* y, const T* dy, T* dx) const {
    cpu::activation_backward<F>(n, x, y, dy, dx, *pool_);
  }

  void softmax_forward(int batch, int classes, const T* x, T* y) const {
    cpu::softmax_forward(batch, classes, x, y, *pool_);
  }
  void softmax_backward(int batch, int classes, const T* y, const T* dy, T* dx) const {
    cpu::softmax_backward(batch, classes, y, dy, dx, *pool_);
  }
  void log_softmax_forward(int batch, int classes, const T* x, T* y) const {
    cpu::log_softmax_forward(batch, classes, x, y, *pool_);
  }
  void log_softmax_backward(int batch, int classes, const T* y, const T* dy, T* dx) const {
    cpu::log_softmax_backward(batch, classes, y, dy, dx, *pool_);
  }

  // ---- Dropout: in place or not ----

  void dropout_forward(std::int64_t n, double rate, const Random& random, const T* x, T* y) const {
    cpu::dropout_forward(n, rate, random, x, y, *pool_);
  }
  void dropout_backward(std::int64_t n, double rate, const Random& random, const T* dy, T* dx) const {
    cpu::dropout_backward(n, rate, random, dy, dx, *pool_);
  }

  // ---- Normalizations: dx may be dy ----

  static constexpr std::int64_t batch_norm_scratch(Shape, int /*batch*/) { return 0; }
  void batch_norm_forward(Shape in, int batch, T epsilon, T momentum, const T* x, const T* gamma, const T* beta,
                          T* running_mean, T* running_variance, T* mean, T* inverse_deviation, T* y, T* /*scratch*/) const {
    cpu::batch_norm_forward(in, batch, epsilon, momentum, x, gamma, beta, running_mean, running_variance, mean,
                            inverse_deviation, y, *pool_);
  }
  void batch_norm_inference(Shape in, int batch, T epsilon, const T* x, const T* gamma, const T* beta,
                            const T* running_mean, const T* running_variance, T* y) const {
    cpu::batch_norm_inference(in, batch, epsilon, x, gamma, beta, running_mean, running_variance, y, *pool_);
  }
  void batch_norm_backward(Shape in, int batch, const T* x, const T* gamma, const T* mean, const T* inverse_deviation,
                           const T* dy, T* dx, T* dgamma, T* dbeta, T* /*scratch*/) const {
    cpu::batch_norm_backward(in, batch, x, gamma, mean, inverse_deviation, dy, dx, dgamma, dbeta, *pool_);
  }

  void lrn_forward(Shape in, int batch, const LrnParameters& p, const T* x, T* y) const {
    cpu::lrn_forward(in, batch, p, x, y, *pool_);
  }
  void lrn_backward(Shape in, int batch, const LrnParameters& p, const T* x, const T* y, const T* dy, T* dx) const {
    cpu::lrn_backward(in, batch, p, x, y, dy, dx, *pool_);
  }

  // ---- Losses: rows of `width` outputs; labels (rows) or targets (rows,width); gradient may be null ----

  template <class Loss, class Element>
  void run_loss(const Loss& loss, std::int64_t rows, int width, const T* x, const Element* target, T* values,
                T* gradient) const {
    cpu::run_loss(loss, rows, width, x, target, values, gradient, *pool_);
  }

 private:
  ThreadPool* pool_;
};

}  // namespace strata::cpu
