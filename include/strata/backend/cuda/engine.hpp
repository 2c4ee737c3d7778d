// SPDX-License-Identifier: BSL-1.0
// The engine of the Cuda backend: convolutions with cuDNN, dense layers with cuBLASLt, each with a plan that is chosen
// once.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <strata/backend/cuda/conv.hpp>
#include <strata/backend/cuda/dense.hpp>
#include <strata/backend/cuda/device.hpp>
#include <strata/backend/cuda/gpu_engine.hpp>
#include <strata/backend/cuda/per_batch_size.hpp>
#include <strata/backend/cuda/precision.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {
namespace cuda {

struct CudaSystem {
  using Device = cuda::Device;
  using Memory = DeviceMemory;
  using Event = StreamEvent;
  using Graph = CapturedGraph;
  using CopyStream = Stream;
  template <class T>
  using PinnedAllocator = cuda::PinnedAllocator<T>;
};

}  // namespace cuda

template <class Precision>
class CudaEngine : public cuda::GpuEngine<Precision, cuda::CudaSystem> {
  using Base = cuda::GpuEngine<Precision, cuda::CudaSystem>;
  using Base::weights;
  using A = typename Precision::Activation;

 public:
  using Base::device;

  // Throws CudaError if there is no such device, CudnnError or CublasError if a library cannot be used.
  explicit CudaEngine(const EngineOptions& options)
      : Base(options), cudnn_(device().stream()), autotune_(options.autotune ? tuned : 0) {}
  ~CudaEngine() { static_cast<void>(cudaStreamSynchronize(device().stream())); }

  [[nodiscard]] std::shared_ptr<const void> plans_of(int batch) {
    static_cast<void>(plans(batch));
    return *plans_.peek(batch);
  }

  using Ops = cuda::Ops<CudaEngine>;
  [[nodiscard]] Ops ops() { return Ops(*this); }
  // The versions of the libraries in use: "cuDNN 9.19.0, CUDA 13.0".
  [[nodiscard]] static std::string libraries() {
    const auto dnn = cudnnGetVersion();
    int runtime = 0;
    cuda::check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
    return "cuDNN " + std::to_string(dnn / 10000) + "." + std::to_string(dnn / 100 % 100) + "." +
           std::to_string(dnn % 100) + ", CUDA " + std::to_string(runtime / 1000) + "." +
           std::to_string(runtime % 1000 / 10);
  }

  // Zeros, followed by the workspace of the existing plans and the copies that they need. Throws CudaError, which says how
  // many bytes were needed.
  std::byte* allocate(const ArenaRequest& request) {
    device().use();
    const std::int64_t before = rounded(request.bytes);
    workspace_bytes_ = largest_workspace_;
    arena_ = cuda::DeviceMemory(device(), before + rounded(workspace_bytes_) + copies_bytes_, "the model");
    workspace_ = arena_.get() + before;
    copies_ = workspace_ + rounded(workspace_bytes_);
    this->use_arena(arena_.get(), request);
    return arena_.get();
  }
  // The bytes for cuDNN and cuBLASLt, which are not part of the memory plan.
  [[nodiscard]] std::int64_t workspace_bytes() const { return workspace_bytes_; }

  // `at`: how many parameters of other layers come before this layer's.
  void prepare_conv_forward(const Geometry& g, int batch, bool bias, std::int64_t at) {
    conv(cuda::ConvOperation::forward, g, batch, bias);
    expect_copies(at, g.taps() * g.out.channels, bias ? g.out.channels : 0);
  }
  void prepare_conv_backward_input(const Geometry& g, int batch, std::int64_t at) {
    conv(cuda::ConvOperation::backward_input, g, batch);
    expect_copies(at, g.taps() * g.out.channels, 0);
  }
  void prepare_conv_backward_weights(const Geometry& g, int batch, std::int64_t) {
    conv(cuda::ConvOperation::backward_weights, g, batch);
  }
  // bias may be null. A kernel of ours rectifies y: a ReLU in the libraries' epilogues may turn NaNs into zeros, and
  // training would continue with broken weights (cuDNN 9.19 on an H100, some engines of each precision).
  void conv_forward(const Geometry& g, int batch, const A* x, const float* w, const float* bias, A* y, bool relu) {
    const cuda::ConvPlan& plan = conv(cuda::ConvOperation::forward, g, batch, bias != nullptr);
    const Parameters p = aligned_parameters(w, g.taps() * g.out.channels, bias, g.out.channels);
    plan.forward(cudnn_.get(), x, p.weights, p.bias, y, workspace(plan.workspace_size()));
    const std::int64_t rows = std::int64_t{batch} * g.out.height * g.out.width;
    if (bias && !plan.fused())
      cuda::add_bias(device(), rows, g.out.channels, bias, y, relu);
    else if (relu)
      cuda::activation_forward<ReLU>(device(), rows * g.out.channels, static_cast<const A*>(y), y);
  }
  void conv_backward_input(const Geometry& g, int batch, const A* dy, const float* w, A* dx) {
    const cuda::ConvPlan& plan = conv(cuda::ConvOperation::backward_input, g, batch);
    const Parameters p = aligned_parameters(w, g.taps() * g.out.channels, nullptr, 0);
    plan.backward_input(cudnn_.get(), dy, p.weights, dx, workspace(plan.workspace_size()));
  }
  // scratch has one element for each weight.
  void conv_backward_weights(const Geometry& g, int batch, const A* x, const A* dy, float* dw, float* scratch) {
    const cuda::ConvPlan& plan = conv(cuda::ConvOperation::backward_weights, g, batch);
    const bool direct = plan.gradient() == cuda::Number::float32;
    float* to = direct && is_aligned(dw) ? dw : scratch;
    plan.backward_weights(cudnn_.get(), x, dy, to, workspace(plan.workspace_size()));
    const std::int64_t n = g.taps() * g.out.channels;
    if (!direct)
      cuda::convert(device(), n, reinterpret_cast<const A*>(scratch), dw);
    else if (to != dw)
      cuda::copy(device(), n, static_cast<const float*>(scratch), dw);
  }

  void prepare_dense_forward(int inputs, int units, int batch, bool bias, std::int64_t at) {
    dense(cuda::DenseOperation::forward, inputs, units, batch, bias);
    expect_copies(at, std::int64_t{inputs} * units, bias ? units : 0);
  }
  void prepare_dense_backward_input(int inputs, int units, int batch, std::int64_t) {
    dense(cuda::DenseOperation::backward_input, inputs, units, batch);
  }
  void prepare_dense_backward_weights(int inputs, int units, int batch, std::int64_t at) {
    dense(cuda::DenseOperation::backward_weights, inputs, units, batch);
    if (!is_aligned<float>(at)) expect_copy(std::int64_t{inputs} * units * static_cast<std::int64_t>(sizeof(float)));
  }
  void dense_forward(int inputs, int units, int batch, const A* x, const float* w, const float* bias, A* y, bool relu) {
    const cuda::DensePlan& plan = dense(cuda::DenseOperation::forward, inputs, units, batch, bias != nullptr);
    const Parameters p = aligned_parameters(w, std::int64_t{inputs} * units, bias, units);
    plan.forward(device().stream(), x, p.weights, p.bias, y, workspace(plan.workspace_size()));
    if (relu) cuda::activation_forward<ReLU>(device(), std::int64_t{batch} * units, static_cast<const A*>(y), y);
  }
  void dense_backward_input(int inputs, int units, int batch, const A* dy, const float* w, A* dx) {
    const cuda::DensePlan& plan = dense(cuda::DenseOperation::backward_input, inputs, units, batch);
    const Parameters p = aligned_parameters(w, std::int64_t{inputs} * units, nullptr, 0);
    plan.backward_input(device().stream(), dy, p.weights, dx, workspace(plan.workspace_size()));
  }
  void dense_backward_weights(int inputs, int units, int batch, const A* x, const A* dy, float* dw) {
    const cuda::DensePlan& plan = dense(cuda::DenseOperation::backward_weights, inputs, units, batch);
    float* to = is_aligned(dw) ? dw : reinterpret_cast<float*>(copies_);
    plan.backward_weights(device().stream(), x, dy, to, workspace(plan.workspace_size()));
    if (to != dw) cuda::copy(device(), std::int64_t{inputs} * units, static_cast<const float*>(to), dw);
  }

 private:
  static constexpr int tuned = 8;  // how many kernels autotuning tries
  static constexpr std::int64_t rounded(std::int64_t bytes) { return (bytes + 255) / 256 * 256; }

  // There are no gaps between the parameters, so that a layer's may begin anywhere. The libraries' kernels load 16 bytes at
  // once: a tensor that does not begin at a multiple of that is copied before each product to a place that does. (If a
  // smaller alignment is declared, cuDNN 9.19 proposes engines that fail with it.)
  template <class T>
  static constexpr bool is_aligned(std::int64_t at) {
    return at * static_cast<std::int64_t>(sizeof(T)) % cuda::alignment == 0;
  }
  static bool is_aligned(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % cuda::alignment == 0; }
  void expect_copy(std::int64_t bytes) { copies_bytes_ = std::max(copies_bytes_, rounded(bytes)); }
  void expect_copies(std::int64_t at, std::int64_t count, std::int64_t bias) {
    const std::int64_t moved = is_aligned<A>(at) ? 0 : count;
    if (moved > 0 || (bias > 0 && !is_aligned<A>(at + count)))
      expect_copy(rounded(moved * static_cast<std::int64_t>(sizeof(A))) + bias * static_cast<std::int64_t>(sizeof(A)));
  }
  struct Parameters {
    const A *weights, *bias;
  };
  // bias may be null.
  Parameters aligned_parameters(const float* w, std::int64_t count, const float* bias, std::int64_t biases) {
    Parameters p{weights(w), bias ? weights(bias) : nullptr};
    std::byte* free = copies_;
    const auto place = [&](const A*& tensor, std::int64_t n) {
      if (is_aligned(tensor)) return;
      A* to = reinterpret_cast<A*>(free);
      cuda::copy(device(), n, tensor, to);
      tensor = to;
      free += rounded(n * static_cast<std::int64_t>(sizeof(A)));
    };
    place(p.weights, count);
    if (bias) place(p.bias, biases);
    return p;
  }

  struct Plans {
    cuda::ConvPlans convs;
    cuda::DensePlans denses;
  };
  Plans& plans(int batch) {
    if (const auto* found = plans_.find(batch)) return **found;
    if (plans_.full()) this->finish();  // queued work may use the plans that are removed
    return *plans_.add(
        batch, std::make_shared<Plans>(
                   Plans{.convs = cuda::ConvPlans({.handle = cudnn_.get()}, {.autotune = autotune_}),
                         .denses = cuda::DensePlans(cublas_.get(), std::int64_t{32} << 20, autotune_, device().stream())}));
  }
  template <class P>
  const P& with_workspace(const P& plan) {
    largest_workspace_ = std::max(largest_workspace_, plan.workspace_size());
    return plan;
  }
  const cuda::ConvPlan& conv(cuda::ConvOperation operation, const Geometry& g, int batch, bool bias = false) {
    return with_workspace(plans(batch).convs.get({operation, g, batch, Precision::math, bias}));
  }
  const cuda::DensePlan& dense(cuda::DenseOperation operation, int inputs, int units, int batch, bool bias = false) {
    return with_workspace(plans(batch).denses.get({operation, inputs, units, batch, Precision::math, bias}));
  }

  // A batch of another size may have a plan that needs more than the arena has. The old workspace is kept: captured graphs
  // use it.
  void* workspace(std::int64_t bytes) {
    if (bytes > workspace_bytes_) {
      more_.emplace_back(device(), bytes, "a workspace");
      workspace_ = more_.back().get();
      workspace_bytes_ = bytes;
    }
    return workspace_;
  }

  cuda::CudnnHandle cudnn_;
  cuda::CublasHandle cublas_;
  int autotune_;
  cuda::PerBatchSize<std::shared_ptr<Plans>> plans_;
  cuda::DeviceMemory arena_;
  std::vector<cuda::DeviceMemory> more_;
  std::byte *workspace_ = nullptr, *copies_ = nullptr;
  std::int64_t largest_workspace_ = 0, workspace_bytes_ = 0, copies_bytes_ = 0;
};

}  // namespace strata::inline STRATA_ABI
