// SPDX-License-Identifier: BSL-1.0
// Which kernel runs for which layer on a GPU: CudaKernel is the one place where a layer's type meets its kernels. The
// engine has the products (convolutions, dense layers); all else are elements. No CUDA header is needed to read this.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <strata/backend/cuda/activations.hpp>
#include <strata/backend/cuda/batch_norm.hpp>
#include <strata/backend/cuda/bias.hpp>
#include <strata/backend/cuda/combine.hpp>
#include <strata/backend/cuda/dropout.hpp>
#include <strata/backend/cuda/lrn.hpp>
#include <strata/backend/cuda/pool.hpp>
#include <strata/backend/cuda/softmax.hpp>
#include <strata/core/lrn.hpp>
#include <strata/layers/activations.hpp>
#include <strata/layers/conv.hpp>
#include <strata/layers/dense.hpp>
#include <strata/layers/dropout.hpp>
#include <strata/layers/expect.hpp>
#include <strata/layers/input.hpp>
#include <strata/layers/normalization.hpp>
#include <strata/layers/pool.hpp>
#include <strata/model/kernel_traits.hpp>

namespace strata {
namespace cuda {

// The random numbers of a layer, of the step that the device's memory tells.
struct StepRandom {
  std::uint64_t seed;
  std::uint32_t layer;
  const std::uint64_t* step;
};

// One layer's turn: strata::Pass with everything on the device. What a kernel may touch; null where the plan says it is not
// needed. Convolutions' weights are (F,KH,KW,C/groups).
template <class Engine>
struct Pass {
  using A = typename Engine::Activation;
  int batch;
  Shape in, out;  // of one sample
  const A* x;     // (N, in)
  A* y;           // (N, out)
  const A* dy;    // (N, out)
  A* dx;          // (N, in); null where nobody before this layer learns
  const float* parameters;
  float* gradients;
  float* state;
  std::byte* saved;  // what forward leaves for backward
  float* scratch;
  bool training;
  bool dropout;
  StepRandom random;
  Engine& engine;

  [[nodiscard]] std::int64_t count_in() const { return batch * in.size(); }
  [[nodiscard]] std::int64_t count_out() const { return batch * out.size(); }
  [[nodiscard]] auto& run() const { return engine.device(); }
};

}  // namespace cuda

template <class L>
struct CudaKernel;

// Layers in a row that one kernel does together, as CpuBlock.
template <class... Layers>
struct CudaBlock {
  static constexpr bool exists = false;
};

// A GPU backend: its engine's precision, and the engine.
template <class Precision, template <class> class Engine_>
struct GpuOf {
  using scalar = float;
  using activation = typename Precision::Activation;
  using precision = Precision;
  using Engine = Engine_<Precision>;
  using Pass = cuda::Pass<Engine>;
  template <class L>
  using kernel = CudaKernel<L>;
  template <class... L>
  using block = CudaBlock<L...>;
  static constexpr std::size_t longest_block = 3;
  static constexpr bool on_host = false;
};

struct CudaViewKernel : KernelTraits {
  static constexpr bool view = true;
};
template <int Height, int Width, int Channels>
struct CudaKernel<Input<Height, Width, Channels>> : CudaViewKernel {};
template <>
struct CudaKernel<Flatten> : CudaViewKernel {};
template <int... Dimensions>
struct CudaKernel<Expect<Dimensions...>> : CudaViewKernel {};

template <auto Kernel, int Filters, class... Options>
struct CudaKernel<Conv<Kernel, Filters, Options...>> : KernelTraits {
  using layer = Conv<Kernel, Filters, Options...>;
  static constexpr bool prepares = true;
  template <class A>
  static constexpr std::int64_t scratch(Shape in, int batch, int) {
    const Geometry g = layer::geometry(in);
    // The bias' sums, or the weights' gradient before it is converted.
    return std::max(cuda::bias_gradient_scratch(rows(g, batch), Filters), g.taps() * Filters);
  }
  template <bool Training, class Engine>
  static void prepare(Engine& engine, Shape in, int batch, bool learns_before, std::int64_t at) {
    const Geometry g = layer::geometry(in);
    engine.prepare_conv_forward(g, batch, layer::has_bias, at);
    if constexpr (Training) {
      engine.prepare_conv_backward_weights(g, batch, at);
      if (learns_before) engine.prepare_conv_backward_input(g, batch, at);
    }
  }
  template <class P>
  static void forward(const P& p) {
    forward(p, p.y, false);
  }
  // To y, and rectified where a ReLU follows.
  template <class P>
  static void forward(const P& p, typename P::A* y, bool relu) {
    const Geometry g = layer::geometry(p.in);
    p.engine.conv_forward(g, p.batch, p.x, p.parameters, layer::has_bias ? p.parameters + g.taps() * Filters : nullptr, y,
                          relu);
  }
  template <class P>
  static void backward(const P& p) {
    backward(p, p.dy);
  }
  template <class P>
  static void backward(const P& p, const typename P::A* dy) {
    const Geometry g = layer::geometry(p.in);
    p.engine.conv_backward_weights(g, p.batch, p.x, dy, p.gradients, p.scratch);
    if constexpr (layer::has_bias)
      cuda::bias_gradient(p.run(), rows(g, p.batch), Filters, dy, p.gradients + g.taps() * Filters, p.scratch);
    if (p.dx) p.engine.conv_backward_input(g, p.batch, dy, p.parameters, p.dx);
  }

 private:
  static constexpr std::int64_t rows(const Geometry& g, int batch) {
    return std::int64_t{batch} * g.out.height * g.out.width;
  }
};

template <int Units, class... Options>
struct CudaKernel<Dense<Units, Options...>> : KernelTraits {
  using layer = Dense<Units, Options...>;
  static constexpr bool prepares = true;
  template <class A>
  static constexpr std::int64_t scratch(Shape, int batch, int) {
    return cuda::bias_gradient_scratch(batch, Units);
  }
  template <bool Training, class Engine>
  static void prepare(Engine& engine, Shape in, int batch, bool learns_before, std::int64_t at) {
    engine.prepare_dense_forward(in.channels, Units, batch, layer::has_bias, at);
    if constexpr (Training) {
      engine.prepare_dense_backward_weights(in.channels, Units, batch, at);
      if (learns_before) engine.prepare_dense_backward_input(in.channels, Units, batch, at);
    }
  }
  template <class P>
  static void forward(const P& p) {
    forward(p, p.y, false);
  }
  template <class P>
  static void forward(const P& p, typename P::A* y, bool relu) {
    p.engine.dense_forward(p.in.channels, Units, p.batch, p.x, p.parameters,
                           layer::has_bias ? p.parameters + p.in.size() * Units : nullptr, y, relu);
  }
  template <class P>
  static void backward(const P& p) {
    backward(p, p.dy);
  }
  template <class P>
  static void backward(const P& p, const typename P::A* dy) {
    p.engine.dense_backward_weights(p.in.channels, Units, p.batch, p.x, dy, p.gradients);
    if constexpr (layer::has_bias)
      cuda::bias_gradient(p.run(), p.batch, Units, dy, p.gradients + p.in.size() * Units, p.scratch);
    if (p.dx) p.engine.dense_backward_input(p.in.channels, Units, p.batch, dy, p.parameters, p.dx);
  }
};

template <auto Window, auto Stride_, class... Options>
struct CudaKernel<MaxPool<Window, Stride_, Options...>> : KernelTraits {
  static constexpr bool reads_signs = true;  // of a ReLU before it, in one block
  using layer = MaxPool<Window, Stride_, Options...>;
  // The position of each maximum.
  static constexpr std::int64_t saved_bytes(Shape, Shape out, std::int64_t batch) { return batch * out.size() * 4; }
  template <class P>
  static void forward(const P& p) {
    cuda::max_pool_forward(p.run(), layer::geometry(p.in), p.batch, p.x, p.y, argmax(p));
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) cuda::max_pool_backward(p.run(), layer::geometry(p.in), p.batch, p.dy, argmax(p), p.dx);
  }
  template <class P>
  static std::int32_t* argmax(const P& p) {
    return reinterpret_cast<std::int32_t*>(p.saved);
  }
};
template <auto Window, auto Stride_, class... Options>
struct CudaKernel<AvgPool<Window, Stride_, Options...>> : KernelTraits {
  using layer = AvgPool<Window, Stride_, Options...>;
  template <class P>
  static void forward(const P& p) {
    cuda::avg_pool_forward(p.run(), layer::geometry(p.in), p.batch, p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) cuda::avg_pool_backward(p.run(), layer::geometry(p.in), p.batch, p.dy, p.dx);
  }
};
template <>
struct CudaKernel<GlobalAvgPool> : KernelTraits {
  template <class P>
  static void forward(const P& p) {
    cuda::global_avg_pool_forward(p.run(), p.in, p.batch, p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) cuda::global_avg_pool_backward(p.run(), p.in, p.batch, p.dy, p.dx);
  }
};

template <>
struct CudaKernel<ReLU> : KernelTraits {
  static constexpr bool in_place = true;
  static constexpr bool reads_signs = true;
  static constexpr bool keeps_signs = true;
  template <class P>
  static void forward(const P& p) {
    cuda::relu_forward(p.run(), p.count_in(), p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) cuda::relu_backward(p.run(), p.count_in(), p.y, p.dy, p.dx);
  }
};
template <double Slope>
struct CudaKernel<LeakyReLUOf<Slope>> : KernelTraits {
  static constexpr bool in_place = true;
  static constexpr bool keeps_signs = true;
  static constexpr bool reads_output = true;
  template <class P>
  static void forward(const P& p) {
    cuda::leaky_relu_forward(p.run(), p.count_in(), static_cast<float>(Slope), p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) cuda::leaky_relu_backward(p.run(), p.count_in(), static_cast<float>(Slope), p.y, p.dy, p.dx);
  }
};
template <>
struct CudaKernel<Sigmoid> : KernelTraits {
  static constexpr bool in_place = true;
  static constexpr bool reads_output = true;
  template <class P>
  static void forward(const P& p) {
    cuda::sigmoid_forward(p.run(), p.count_in(), p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) cuda::sigmoid_backward(p.run(), p.count_in(), p.y, p.dy, p.dx);
  }
};
template <>
struct CudaKernel<Tanh> : KernelTraits {
  static constexpr bool in_place = true;
  static constexpr bool keeps_signs = true;
  static constexpr bool reads_output = true;
  template <class P>
  static void forward(const P& p) {
    cuda::tanh_forward(p.run(), p.count_in(), p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) cuda::tanh_backward(p.run(), p.count_in(), p.y, p.dy, p.dx);
  }
};
template <>
struct CudaKernel<Softmax> : KernelTraits {
  static constexpr bool reads_output = true;
  template <class P>
  static void forward(const P& p) {
    cuda::softmax_forward(p.run(), p.batch, p.in.channels, p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) cuda::softmax_backward(p.run(), p.batch, p.in.channels, p.y, p.dy, p.dx);
  }
};
template <>
struct CudaKernel<LogSoftmax> : KernelTraits {
  static constexpr bool reads_output = true;
  template <class P>
  static void forward(const P& p) {
    cuda::log_softmax_forward(p.run(), p.batch, p.in.channels, p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) cuda::log_softmax_backward(p.run(), p.batch, p.in.channels, p.y, p.dy, p.dx);
  }
};

// The mask is a function of (seed, layer, step, element): nothing is saved.
template <auto Rate>
struct CudaKernel<Dropout<Rate>> : KernelTraits {
  static constexpr bool in_place = true;
  static constexpr bool keeps_signs = true;
  template <class P>
  static void forward(const P& p) {
    const auto& r = p.random;
    if (p.dropout)
      cuda::dropout_forward(p.run(), p.count_in(), Dropout<Rate>::rate, r.seed, r.layer, r.step, p.x, p.y);
    else if (p.x != p.y)
      cuda::copy(p.run(), p.count_in(), p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    const auto& r = p.random;
    if (p.dx) cuda::dropout_backward(p.run(), p.count_in(), Dropout<Rate>::rate, r.seed, r.layer, r.step, p.dy, p.dx);
  }
};

template <>
struct CudaKernel<BatchNorm> : KernelTraits {
  // Mean and inverse stddev of the batch.
  static constexpr std::int64_t saved_bytes(Shape in, Shape, std::int64_t) { return 2 * in.channels * 4; }
  template <class A>
  static constexpr std::int64_t scratch(Shape in, int batch, int) {
    return cuda::batch_norm_scratch(in, batch);
  }
  template <class P>
  static void forward(const P& p) {
    constexpr auto epsilon = static_cast<float>(BatchNorm::epsilon), momentum = static_cast<float>(BatchNorm::momentum);
    const float* gamma = p.parameters;
    const float* beta = gamma + p.in.channels;
    float* mean = p.state;
    float* variance = mean + p.in.channels;
    if (p.training) {
      auto* batch_mean = reinterpret_cast<float*>(p.saved);
      cuda::batch_norm_forward(p.run(), p.in, p.batch, epsilon, momentum, p.x, gamma, beta, mean, variance, batch_mean,
                               batch_mean + p.in.channels, p.y, p.scratch);
    } else {
      cuda::batch_norm_inference(p.run(), p.in, p.batch, epsilon, p.x, gamma, beta, static_cast<const float*>(mean),
                                 static_cast<const float*>(variance), p.y);
    }
  }
  template <class P>
  static void backward(const P& p) {
    const auto* mean = reinterpret_cast<const float*>(p.saved);
    // As on the CPU: where nobody asks for dx it goes over dy, which has been read by then.
    auto* dx = p.dx ? p.dx : const_cast<typename P::A*>(p.dy);
    cuda::batch_norm_backward(p.run(), p.in, p.batch, p.x, p.parameters, mean, mean + p.in.channels, p.dy, dx, p.gradients,
                              p.gradients + p.in.channels, p.scratch);
  }
};

template <int N, double K, double Alpha, double Beta>
struct CudaKernel<LRN<N, K, Alpha, Beta>> : KernelTraits {
  static constexpr bool reads_output = true;
  static constexpr LrnParameters values{N, K, Alpha, Beta};
  template <class P>
  static void forward(const P& p) {
    cuda::lrn_forward(p.run(), p.in, p.batch, values, p.x, p.y);
  }
  template <class P>
  static void backward(const P& p) {
    if (p.dx) cuda::lrn_backward(p.run(), p.in, p.batch, values, p.x, p.y, p.dy, p.dx);
  }
};

// --- Blocks -----------------------------------------------------------------------------------------------------------

namespace cuda {

// A product whose ReLU is in its epilogue, and what every block with it needs.
template <class Product>
struct ReluBlock {
  using kernel = CudaKernel<Product>;
  static constexpr bool exists = true;
  static constexpr bool applies(Shape) { return true; }
  template <class A>
  static constexpr std::int64_t scratch(Shape in, int batch, int threads) {
    return kernel::template scratch<A>(in, batch, threads);
  }
  template <bool Training, class Engine>
  static void prepare(Engine& engine, Shape in, int batch, bool learns_before, std::int64_t at) {
    kernel::template prepare<Training>(engine, in, batch, learns_before, at);
  }
  template <class P>
  static void forward(const P* p) {
    kernel::forward(p[0], p[1].y, true);
  }
  template <class P>
  static void backward(const P* p) {
    CudaKernel<ReLU>::backward(p[1]);
    kernel::backward(p[0], p[1].dx);
  }
};

}  // namespace cuda

template <auto Kernel, int Filters, class... O>
struct CudaBlock<Conv<Kernel, Filters, O...>, ReLU> : cuda::ReluBlock<Conv<Kernel, Filters, O...>> {};
template <int Units, class... O>
struct CudaBlock<Dense<Units, O...>, ReLU> : cuda::ReluBlock<Dense<Units, O...>> {};

// The gradient goes through the pool and the ReLU in one pass. Forward, the ReLU comes after the pool: the same numbers,
// and fewer to rectify.
template <auto Kernel, int Filters, class... O, auto Window, auto Stride_, class... Q>
struct CudaBlock<Conv<Kernel, Filters, O...>, ReLU, MaxPool<Window, Stride_, Q...>>
    : cuda::ReluBlock<Conv<Kernel, Filters, O...>> {
  using kernel = CudaKernel<Conv<Kernel, Filters, O...>>;
  using pool = CudaKernel<MaxPool<Window, Stride_, Q...>>;
  template <class P>
  static void forward(const P* p) {
    kernel::forward(p[0], p[1].y, false);
    pool::forward(p[2]);
    cuda::relu_forward(p[2].run(), p[2].count_out(), static_cast<const typename P::A*>(p[2].y), p[2].y);
  }
  template <class P>
  static void backward(const P* p) {
    cuda::relu_max_pool_backward(p[2].run(), pool::layer::geometry(p[2].in), p[2].batch, p[2].x, p[2].dy,
                                 pool::argmax(p[2]), p[1].dx);
    kernel::backward(p[0], p[1].dx);
  }
};

// Likewise through Dropout and ReLU.
template <int Units, class... O, auto Rate>
struct CudaBlock<Dense<Units, O...>, ReLU, Dropout<Rate>> : cuda::ReluBlock<Dense<Units, O...>> {
  using kernel = CudaKernel<Dense<Units, O...>>;
  template <class P>
  static void forward(const P* p) {
    kernel::forward(p[0], p[1].y, true);
    CudaKernel<Dropout<Rate>>::forward(p[2]);
  }
  template <class P>
  static void backward(const P* p) {
    cuda::relu_dropout_backward(p[2].run(), p[2].count_in(), Dropout<Rate>::rate, p[2].y, p[2].dy, p[1].dx);
    kernel::backward(p[0], p[1].dx);
  }
};

}  // namespace strata
