// SPDX-License-Identifier: BSL-1.0
// The CPU's entry points: what a kernel may ask for, in plain arguments. backend/cuda/ops.hpp has the same names.
#pragma once
#include <cstdint>
#include <cstring>

#include <strata/backend/cpu/activations.hpp>
#include <strata/backend/cpu/losses.hpp>
#include <strata/backend/cpu/norm_activation.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/lrn.hpp>
#include <strata/core/upsample.hpp>
#include <strata/core/window.hpp>
#include <strata/model/chain.hpp>
#include <strata/model/engine.hpp>
#include <strata/model/kernel_traits.hpp>
#include <strata/util/random.hpp>
#include <strata/util/thread_pool.hpp>

namespace strata::inline STRATA_ABI::cpu {

// A handle: copy it freely. The pool and the sums must outlive it. `scratch` is as large as the function of that name says.
template <class T>
class Ops {
 public:
  using Activation = T;
  using Parameter = T;
  using Compute = T;
  using Random = strata::Random;

  // BatchNorm's statistics are those that `sums` sums; null: of the batch at hand.
  explicit Ops(ThreadPool& pool, BatchSums* sums = nullptr) : pool_(&pool), sums_(sums) {}
  [[nodiscard]] ThreadPool& pool() const { return *pool_; }

  // ---- For layers of your own ----

  // Calls f(i) for each i in [0, n), in any order and from several threads. f must be copyable; on a GPU it is copied to
  // the device.
  template <class F>
  void elements(std::int64_t n, const F& f) const {
    for_elements(n, *pool_, f);
  }
  void copy(std::int64_t n, const T* from, T* to) const {
    for_chunks(n, *pool_, [=](std::int64_t first, std::int64_t count) {
      std::memcpy(to + first, from + first, static_cast<std::size_t>(count) * sizeof(T));
    });
  }

  // ---- Where branches meet ----

  // y may be a or b.
  void add(std::int64_t n, const T* a, const T* b, T* y) const;
  // The same, rectified; NaN stays NaN.
  void add_relu(std::int64_t n, const T* a, const T* b, T* y) const;
  void concat_copy(std::int64_t rows, int channels, const T* branch, int total, int offset, T* whole) const;
  void concat_take(std::int64_t rows, int channels, T* branch, int total, int offset, const T* whole) const;
  // y = x gate: x (samples,area,C), gate (samples,C). dx and dgate may be null.
  void gate_forward(std::int64_t samples, std::int64_t area, int channels, const T* x, const T* gate, T* y) const;
  void gate_backward(std::int64_t samples, std::int64_t area, int channels, const T* x, const T* gate, const T* dy, T* dx,
                     T* dgate) const;

  // ---- Convolutions: bias, db and dx may be null ----

  static constexpr std::int64_t conv_scratch(const Geometry& g, int batch, int threads) {
    return cpu::conv_scratch<T>(g, batch, threads);
  }
  void prepare_conv(const Geometry&, int /*batch*/, bool /*bias*/, const Preparation&) const {}
  // relu: y is rectified. For a prediction (training is false), zeros in x may be skipped.
  void conv_forward(const Geometry& g, int batch, const T* x, const T* w, const T* bias, T* y, bool relu, bool training,
                    T* scratch) const;
  void conv_backward(const Geometry& g, int batch, const T* x, const T* w, const T* dy, T* dx, T* dw, T* db,
                     T* scratch) const;
  // Backward of a convolution, a ReLU if there is one, and a max pool. to_pool is scratch for the pool's dx.
  static constexpr bool conv_pool_applies(const Geometry& conv, const Geometry& pool) {
    return cpu::conv_pool_applies(conv, pool);
  }
  static constexpr std::int64_t conv_pool_scratch(const Geometry& conv, int batch, int threads) {
    return cpu::conv_pool_scratch<T>(conv, batch, threads);
  }
  void conv_pool_backward(const Geometry& conv, const Geometry& pool, int batch, bool relu, const T* x, const T* w,
                          const T* pooled, const T* dpooled, const std::int32_t* argmax, T* dw, T* db, T* dx, T* to_pool,
                          T* scratch) const;
  // Transposed ones, by the geometry of the convolution that they are the transpose of: x (batch, g.out), y (batch, g.in).
  static constexpr std::int64_t conv_transpose_scratch(const Geometry& g, int batch, int threads) {
    return cpu::conv_scratch<T>(g, batch, threads);
  }
  void prepare_conv_transpose(const Geometry&, int /*batch*/, const Preparation&) const {}
  void conv_transpose_forward(const Geometry& g, int batch, const T* x, const T* w, const T* bias, T* y, T* scratch) const;
  void conv_transpose_backward(const Geometry& g, int batch, const T* x, const T* w, const T* dy, T* dx, T* dw, T* db,
                               T* scratch) const;

  // ---- Dense layers: likewise ----

  static constexpr std::int64_t dense_scratch(int in, int units, int batch, int threads) {
    return cpu::dense_scratch<T>(in, units, batch, threads);
  }
  void prepare_dense(int /*in*/, int /*units*/, int /*batch*/, bool /*bias*/, const Preparation&) const {}
  void dense_forward(int in, int units, int batch, const T* x, const T* w, const T* bias, T* y, bool relu, bool training,
                     T* scratch) const;
  void dense_backward(int in, int units, int batch, const T* x, const T* w, const T* dy, T* dx, T* dw, T* db,
                      T* scratch) const;

  // ---- Pools ----

  // argmax: where each maximum is in its channel's map; -1 if the window is all padding. Null for a prediction.
  void max_pool_forward(const Geometry& g, int batch, const T* x, T* y, std::int32_t* argmax) const;
  void max_pool_backward(const Geometry& g, int batch, const T* dy, const std::int32_t* argmax, T* dx) const;
  // count_padding: zeros of the padding count in the means.
  void avg_pool_forward(const Geometry& g, bool count_padding, int batch, const T* x, T* y) const;
  void avg_pool_backward(const Geometry& g, bool count_padding, int batch, const T* dy, T* dx) const;
  void global_avg_pool_forward(Shape in, int batch, const T* x, T* y) const;
  void global_avg_pool_backward(Shape in, int batch, const T* dy, T* dx) const;

  // ---- Enlarged maps, and other orders of the channels: y[j groups + i] = x[i C / groups + j] ----

  void upsample_forward(const Upsampling& u, int batch, const T* x, T* y) const;
  void upsample_backward(const Upsampling& u, int batch, const T* dy, T* dx) const;
  void shuffle_channels(std::int64_t rows, int channels, int groups, const T* x, T* y) const;

  // ---- Activations: F is a struct as in layers/activations.hpp; y may be x, and dx may be dy unless F needs x ----

  template <class F>
  void activation_forward(std::int64_t n, const T* x, T* y) const {
    cpu::activation_forward<F>(n, x, y, *pool_);
  }
  template <class F>
  void activation_backward(std::int64_t n, const T* x, const T* y, const T* dy, T* dx) const {
    cpu::activation_backward<F>(n, x, y, dy, dx, *pool_);
  }

  // A slope for each channel. dx may be null.
  static constexpr std::int64_t prelu_scratch(std::int64_t /*rows*/, int /*channels*/) { return 0; }
  void prelu_forward(std::int64_t rows, int channels, const T* x, const T* slopes, T* y) const;
  void prelu_backward(std::int64_t rows, int channels, const T* x, const T* slopes, const T* dy, T* dx, T* dslopes,
                      T* /*scratch*/) const;

  void softmax_forward(int batch, int classes, const T* x, T* y) const;
  void softmax_backward(int batch, int classes, const T* y, const T* dy, T* dx) const;
  void log_softmax_forward(int batch, int classes, const T* x, T* y) const;
  void log_softmax_backward(int batch, int classes, const T* y, const T* dy, T* dx) const;

  // ---- Dropout: in place or not ----

  void dropout_forward(std::int64_t n, double rate, const Random& random, const T* x, T* y) const;
  void dropout_backward(std::int64_t n, double rate, const Random& random, const T* dy, T* dx) const;
  // Whole samples of `size` elements; forward and backward.
  void drop_samples(int batch, std::int64_t size, double rate, const Random& random, const T* x, T* y) const;

  // ---- Normalizations: dx may be dy ----

  static constexpr std::int64_t batch_norm_scratch(Shape in, int batch) { return cpu::batch_norm_scratch<T>(in, batch); }
  void batch_norm_forward(Shape in, int batch, T epsilon, T momentum, const T* x, const T* gamma, const T* beta,
                          T* running_mean, T* running_variance, T* mean, T* inverse_deviation, T* y, T* scratch,
                          const NormActivation<T>& activation = {}) const;
  void batch_norm_inference(Shape in, int batch, T epsilon, const T* x, const T* gamma, const T* beta,
                            const T* running_mean, const T* running_variance, T* y) const;
  void batch_norm_backward(Shape in, int batch, const T* x, const T* gamma, const T* mean, const T* inverse_deviation,
                           const T* dy, T* dx, T* dgamma, T* dbeta, T* scratch,
                           const NormActivation<T>& activation = {}) const;

  // Groups of channels of each sample, x (samples,area,C). gamma, beta, dx, dgamma and dbeta may be null.
  static constexpr std::int64_t group_norm_scratch(std::int64_t, std::int64_t, int, int) { return 0; }
  void group_norm_forward(std::int64_t samples, std::int64_t area, int channels, int groups, T epsilon, const T* x,
                          const T* gamma, const T* beta, T* mean, T* inverse_deviation, T* y) const;
  void group_norm_backward(std::int64_t samples, std::int64_t area, int channels, int groups, const T* x, const T* gamma,
                           const T* mean, const T* inverse_deviation, const T* dy, T* dx, T* dgamma, T* dbeta,
                           T* scratch) const;

  void lrn_forward(Shape in, int batch, const LrnParameters& p, const T* x, T* y) const;
  void lrn_backward(Shape in, int batch, const LrnParameters& p, const T* x, const T* y, const T* dy, T* dx) const;

  // ---- Chains of inference (model/chain.hpp) ----

  static constexpr bool runs_chains = true;
  static constexpr std::int64_t packed_conv(const Geometry& g, int capacity) { return cpu::packed_conv<T>(g, capacity); }
  static constexpr std::int64_t conv_inference_scratch(const Geometry& g, int batch, int threads) {
    return cpu::conv_inference_scratch<T>(g, batch, threads);
  }
  // bias may be null. If normalized, packed begins with the scale and the shift.
  void pack_conv(const Geometry& g, const T* w, const T* bias, bool normalized, int capacity, T* packed) const;
  void conv_inference(const Geometry& g, int batch, const T* x, const T* w, const T* packed, const ChainEnd<T>& end, T* y,
                      T* scratch) const;
  static constexpr std::int64_t packed_dense(int units) { return std::int64_t{2} * units; }
  void pack_dense(int units, const T* bias, bool normalized, T* packed) const;
  void dense_inference(int in, int units, int batch, const T* x, const T* w, const T* packed, const ChainEnd<T>& end, T* y,
                       T* scratch) const;
  void normalization_inference(std::int64_t rows, int channels, const T* x, const T* packed, const ChainEnd<T>& end,
                               T* y) const;
  // On the calling thread.
  template <class F>
  static void activate(std::int64_t n, T* y) {
    ActivationOf<F>::forward(n, static_cast<const T*>(y), y);
  }

  // ---- Losses: rows of `width` outputs; labels (rows) or targets (rows,width); gradient may be null ----

  template <class Loss, class Element>
  void run_loss(const Loss& loss, std::int64_t rows, int width, const T* x, const Element* target, T* values,
                T* gradient) const {
    cpu::run_loss(loss, rows, width, x, target, values, gradient, *pool_);
  }

 private:
  ThreadPool* pool_;
  BatchSums* sums_;
};

}  // namespace strata::inline STRATA_ABI::cpu

#if !defined(STRATA_COMPILED)
#include <strata/backend/cpu/ops_impl.hpp>
#endif
