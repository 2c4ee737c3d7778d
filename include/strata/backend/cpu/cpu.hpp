// SPDX-License-Identifier: BSL-1.0
// The CPU backend: which kernel runs for which layer. CpuKernel is the one place where a layer's type meets its kernels; a
// user's own layer specializes it the same way (examples/custom_layer).
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <strata/backend/cpu/activations.hpp>
#include <strata/backend/cpu/batch_norm.hpp>
#include <strata/backend/cpu/conv.hpp>
#include <strata/backend/cpu/dense.hpp>
#include <strata/backend/cpu/dropout.hpp>
#include <strata/backend/cpu/engine.hpp>
#include <strata/backend/cpu/lrn.hpp>
#include <strata/backend/cpu/pool.hpp>
#include <strata/backend/cpu/softmax.hpp>
#include <strata/layers/activations.hpp>
#include <strata/layers/conv.hpp>
#include <strata/layers/dense.hpp>
#include <strata/layers/dropout.hpp>
#include <strata/layers/expect.hpp>
#include <strata/layers/input.hpp>
#include <strata/layers/normalization.hpp>
#include <strata/layers/pool.hpp>
#include <strata/model/kernel_traits.hpp>
#include <strata/util/random.hpp>
#include <strata/util/thread_pool.hpp>

namespace strata {

// One layer's turn. Everything a kernel may touch; null where the plan says it is not needed.
template <class T>
struct Pass {
  int batch;
  Shape in, out;  // of one sample
  const T* x;     // (N, in)
  T* y;           // (N, out)
  const T* dy;    // (N, out)
  T* dx;          // (N, in); null where nobody before this layer learns
  const T* parameters;
  T* gradients;
  T* state;
  std::byte* saved;  // what forward leaves for backward
  T* scratch;
  bool training;
  bool dropout = training;  // drop; it may be on while nothing is learned
  Random random;
  ThreadPool& pool;

  [[nodiscard]] std::int64_t count_in() const { return batch * in.size(); }
  [[nodiscard]] std::int64_t count_out() const { return batch * out.size(); }
};

template <class L>
struct CpuKernel;

// Layers in a row that one kernel does together (blocks.hpp); its passes are those of the layers, in order. What lies
// between two layers of a block need not be written. A block that is not named runs layer by layer, with the same results.
template <class... Layers>
struct CpuBlock {
  static constexpr bool exists = false;
};

// The backend on the processor, with the numbers it computes in.
template <class Scalar>
struct CpuOf {
  using scalar = Scalar;      // of parameters, gradients, images, and what a network ends in
  using activation = Scalar;  // of what flows between layers
  using Engine = CpuEngine<Scalar>;
  using Pass = strata::Pass<Scalar>;
  template <class L>
  using kernel = CpuKernel<L>;
  template <class... L>
  using block = CpuBlock<L...>;
  static constexpr std::size_t longest_block = 3;
  static constexpr bool on_host = true;  // what the engine works on can be read and written by anyone
};
using Cpu = CpuOf<float>;

struct ViewKernel : KernelTraits {
  static constexpr bool view = true;
  template <class T>
  static void forward(const Pass<T>&) {}
  template <class T>
  static void backward(const Pass<T>&) {}
};
template <int Height, int Width, int Channels>
struct CpuKernel<Input<Height, Width, Channels>> : ViewKernel {};
template <>
struct CpuKernel<Flatten> : ViewKernel {};
template <int... Dimensions>
struct CpuKernel<Expect<Dimensions...>> : ViewKernel {};

template <auto Kernel, int Filters, class... Options>
struct CpuKernel<Conv<Kernel, Filters, Options...>> : KernelTraits {
  using layer = Conv<Kernel, Filters, Options...>;
  template <class T>
  static constexpr std::int64_t scratch(Shape in, int batch, int threads) {
    return cpu::conv_scratch<T>(layer::geometry(in), batch, threads);
  }
  template <class T>
  static void forward(const Pass<T>& p) {
    forward(p, p.y, false);
  }
  // To y, and rectified where a ReLU follows.
  template <class T>
  static void forward(const Pass<T>& p, T* y, bool relu) {
    const Geometry g = layer::geometry(p.in);
    cpu::conv_forward(g, p.batch, p.x, p.parameters, bias(g, p.parameters), y, p.pool, p.scratch, relu, !p.training);
  }
  template <class T>
  static void backward(const Pass<T>& p) {
    const Geometry g = layer::geometry(p.in);
    cpu::conv_backward_weights(g, p.batch, p.x, p.dy, p.gradients, bias(g, p.gradients), p.pool, p.scratch);
    if (p.dx) cpu::conv_backward_input(g, p.batch, p.dy, p.parameters, p.dx, p.pool, p.scratch);
  }
  template <class T>
  static T* bias(const Geometry& g, T* weights) {
    return layer::has_bias ? weights + g.taps() * Filters : nullptr;
  }
};

template <int Units, class... Options>
struct CpuKernel<Dense<Units, Options...>> : KernelTraits {
  using layer = Dense<Units, Options...>;
  template <class T>
  static constexpr std::int64_t scratch(Shape in, int batch, int threads) {
    return cpu::dense_scratch<T>(in.channels, Units, batch, threads);
  }
  template <class T>
  static void forward(const Pass<T>& p) {
    cpu::dense_forward(p.in.channels, Units, p.batch, p.x, p.parameters, bias(p.in, p.parameters), p.y, p.pool, p.scratch,
                       !p.training);
  }
  template <class T>
  static void backward(const Pass<T>& p) {
    cpu::dense_backward_weights(p.in.channels, Units, p.batch, p.x, p.dy, p.gradients, bias(p.in, p.gradients), p.pool,
                                p.scratch);
    if (p.dx) cpu::dense_backward_input(p.in.channels, Units, p.batch, p.dy, p.parameters, p.dx, p.pool, p.scratch);
  }

 private:
  template <class T>
  static T* bias(Shape in, T* weights) {
    return layer::has_bias ? weights + in.size() * Units : nullptr;
  }
};

template <auto Window, auto Stride_, class... Options>
struct CpuKernel<MaxPool<Window, Stride_, Options...>> : KernelTraits {
  static constexpr bool reads_signs = true;  // of a ReLU before it, in one block
  using layer = MaxPool<Window, Stride_, Options...>;
  // The position of each maximum.
  static constexpr std::int64_t saved_bytes(Shape, Shape out, std::int64_t batch) { return batch * out.size() * 4; }
  template <class T>
  static void forward(const Pass<T>& p) {
    cpu::max_pool_forward(layer::geometry(p.in), p.batch, p.x, p.y, reinterpret_cast<std::int32_t*>(p.saved), p.pool);
  }
  template <class T>
  static void backward(const Pass<T>& p) {
    if (p.dx)
      cpu::max_pool_backward(layer::geometry(p.in), p.batch, p.dy, reinterpret_cast<const std::int32_t*>(p.saved), p.dx,
                             p.pool);
  }
};
template <auto Window, auto Stride_, class... Options>
struct CpuKernel<AvgPool<Window, Stride_, Options...>> : KernelTraits {
  using layer = AvgPool<Window, Stride_, Options...>;
  template <class T>
  static void forward(const Pass<T>& p) {
    cpu::avg_pool_forward(layer::geometry(p.in), p.batch, p.x, p.y, p.pool);
  }
  template <class T>
  static void backward(const Pass<T>& p) {
    if (p.dx) cpu::avg_pool_backward(layer::geometry(p.in), p.batch, p.dy, p.dx, p.pool);
  }
};
template <>
struct CpuKernel<GlobalAvgPool> : KernelTraits {
  template <class T>
  static void forward(const Pass<T>& p) {
    cpu::global_avg_pool_forward(p.in, p.batch, p.x, p.y, p.pool);
  }
  template <class T>
  static void backward(const Pass<T>& p) {
    if (p.dx) cpu::global_avg_pool_backward(p.in, p.batch, p.dy, p.dx, p.pool);
  }
};

template <>
struct CpuKernel<ReLU> : KernelTraits {
  static constexpr bool in_place = true;
  static constexpr bool reads_signs = true;
  static constexpr bool keeps_signs = true;
  template <class T>
  static void forward(const Pass<T>& p) {
    cpu::relu_forward(p.count_in(), p.x, p.y, p.pool);
  }
  template <class T>
  static void backward(const Pass<T>& p) {
    if (p.dx) cpu::relu_backward(p.count_in(), p.y, p.dy, p.dx, p.pool);
  }
};
template <double Slope>
struct CpuKernel<LeakyReLUOf<Slope>> : KernelTraits {
  static constexpr bool in_place = true;
  static constexpr bool keeps_signs = true;
  static constexpr bool reads_output = true;
  template <class T>
  static void forward(const Pass<T>& p) {
    cpu::leaky_relu_forward(p.count_in(), static_cast<T>(Slope), p.x, p.y, p.pool);
  }
  template <class T>
  static void backward(const Pass<T>& p) {
    if (p.dx) cpu::leaky_relu_backward(p.count_in(), static_cast<T>(Slope), p.y, p.dy, p.dx, p.pool);
  }
};
template <>
struct CpuKernel<Sigmoid> : KernelTraits {
  static constexpr bool in_place = true;
  static constexpr bool reads_output = true;
  template <class T>
  static void forward(const Pass<T>& p) {
    cpu::sigmoid_forward(p.count_in(), p.x, p.y, p.pool);
  }
  template <class T>
  static void backward(const Pass<T>& p) {
    if (p.dx) cpu::sigmoid_backward(p.count_in(), p.y, p.dy, p.dx, p.pool);
  }
};
template <>
struct CpuKernel<Tanh> : KernelTraits {
  static constexpr bool in_place = true;
  static constexpr bool keeps_signs = true;
  static constexpr bool reads_output = true;
  template <class T>
  static void forward(const Pass<T>& p) {
    cpu::tanh_forward(p.count_in(), p.x, p.y, p.pool);
  }
  template <class T>
  static void backward(const Pass<T>& p) {
    if (p.dx) cpu::tanh_backward(p.count_in(), p.y, p.dy, p.dx, p.pool);
  }
};
template <>
struct CpuKernel<Softmax> : KernelTraits {
  static constexpr bool reads_output = true;
  template <class T>
  static void forward(const Pass<T>& p) {
    cpu::softmax_forward(p.batch, p.in.channels, p.x, p.y, p.pool);
  }
  template <class T>
  static void backward(const Pass<T>& p) {
    if (p.dx) cpu::softmax_backward(p.batch, p.in.channels, p.y, p.dy, p.dx, p.pool);
  }
};
template <>
struct CpuKernel<LogSoftmax> : KernelTraits {
  static constexpr bool reads_output = true;
  template <class T>
  static void forward(const Pass<T>& p) {
    cpu::log_softmax_forward(p.batch, p.in.channels, p.x, p.y, p.pool);
  }
  template <class T>
  static void backward(const Pass<T>& p) {
    if (p.dx) cpu::log_softmax_backward(p.batch, p.in.channels, p.y, p.dy, p.dx, p.pool);
  }
};

// The mask is a function of (seed, layer, step, element): nothing is saved.
template <auto Rate>
struct CpuKernel<Dropout<Rate>> : KernelTraits {
  static constexpr bool in_place = true;
  static constexpr bool keeps_signs = true;
  template <class T>
  static void forward(const Pass<T>& p) {
    if (p.dropout) {
      cpu::dropout_forward(p.in.size(), p.batch, Dropout<Rate>::rate, p.random, p.x, p.y, p.pool);
    } else if (p.x != p.y) {
      std::copy_n(p.x, p.count_in(), p.y);
    }
  }
  template <class T>
  static void backward(const Pass<T>& p) {
    if (p.dx) cpu::dropout_backward(p.in.size(), p.batch, Dropout<Rate>::rate, p.random, p.dy, p.dx, p.pool);
  }
};

template <>
struct CpuKernel<BatchNorm> : KernelTraits {
  // Mean and inverse stddev of the batch; doubles' worth, so that both scalars fit.
  static constexpr std::int64_t saved_bytes(Shape in, Shape, std::int64_t) { return 2 * in.channels * 8; }
  template <class T>
  static void forward(const Pass<T>& p) {
    const T* gamma = p.parameters;
    const T* beta = gamma + p.in.channels;
    T* mean = p.state;
    T* variance = mean + p.in.channels;
    if (p.training) {
      T* batch_mean = reinterpret_cast<T*>(p.saved);
      cpu::batch_norm_forward(p.in, p.batch, static_cast<T>(BatchNorm::epsilon), static_cast<T>(BatchNorm::momentum), p.x,
                              gamma, beta, mean, variance, batch_mean, batch_mean + p.in.channels, p.y, p.pool);
    } else {
      cpu::batch_norm_inference(p.in, p.batch, static_cast<T>(BatchNorm::epsilon), p.x, gamma, beta,
                                static_cast<const T*>(mean), static_cast<const T*>(variance), p.y, p.pool);
    }
  }
  template <class T>
  static void backward(const Pass<T>& p) {
    const T* mean = reinterpret_cast<const T*>(p.saved);
    // The gradients of gamma and beta need no dx, the kernel writes one all the same: over dy, which has been read by then.
    cpu::batch_norm_backward(p.in, p.batch, p.x, p.parameters, mean, mean + p.in.channels, p.dy,
                             p.dx ? p.dx : const_cast<T*>(p.dy), p.gradients, p.gradients + p.in.channels, p.pool);
  }
};

template <int N, double K, double Alpha, double Beta>
struct CpuKernel<LRN<N, K, Alpha, Beta>> : KernelTraits {
  static constexpr bool reads_output = true;
  static constexpr LrnParameters values{N, K, Alpha, Beta};
  template <class T>
  static void forward(const Pass<T>& p) {
    cpu::lrn_forward(p.in, p.batch, values, p.x, p.y, p.pool);
  }
  template <class T>
  static void backward(const Pass<T>& p) {
    if (p.dx) cpu::lrn_backward(p.in, p.batch, values, p.x, static_cast<const T*>(p.y), p.dy, p.dx, p.pool);
  }
};

}  // namespace strata
