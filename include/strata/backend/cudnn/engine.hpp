// SPDX-License-Identifier: BSL-1.0
// The engine of the Cuda backend: convolutions by cuDNN, dense layers by cuBLASLt, each by a plan that is chosen once.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <strata/backend/cudnn/conv.hpp>
#include <strata/backend/cudnn/dense.hpp>
#include <strata/backend/cudnn/device.hpp>
#include <strata/backend/cudnn/gpu_engine.hpp>
#include <strata/backend/cudnn/precision.hpp>

namespace strata {
namespace cuda {

struct CudaSystem {
  using Device = cuda::Device;
  using Memory = DeviceMemory;
  using Event = cuda::Event;
  using Graph = CapturedGraph;
  using CopyStream = cuda::CopyStream;
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

  // Throws CudaError where there is no such device, CudnnError and CublasError where those cannot be had.
  explicit CudaEngine(const EngineOptions& options)
      : Base(options),
        cudnn_(device().stream()),
        convs_({.handle = cudnn_.get()}, {.autotune = options.autotune ? tuned : 0}),
        denses_(cublas_.get(), std::int64_t{32} << 20, options.autotune ? tuned : 0, device().stream()) {}
  ~CudaEngine() { static_cast<void>(cudaStreamSynchronize(device().stream())); }

  [[nodiscard]] CudaEngine& runner() { return *this; }

  // Zeros, and behind them the workspace of the plans that there are. Throws CudaError, which says how much was needed.
  std::byte* allocate(const ArenaRequest& request) {
    device().use();
    const std::int64_t before = rounded(request.bytes);
    workspace_bytes_ = std::max(convs_.workspace_size(), denses_.workspace_size());
    arena_ = cuda::DeviceMemory(device(), before + workspace_bytes_, "the model");
    workspace_ = arena_.get() + before;
    this->settle_in(arena_.get(), request);
    return arena_.get();
  }
  // Beside the memory plan: what cuDNN and cuBLASLt asked for.
  [[nodiscard]] std::int64_t workspace_bytes() const { return workspace_bytes_; }

  void prepare_conv_forward(const Geometry& g, int batch, bool bias, bool relu) {
    convs_.get(forward(g, batch, bias, relu));
  }
  void prepare_conv_backward_input(const Geometry& g, int batch) { convs_.get(backward_input(g, batch)); }
  void prepare_conv_backward_weights(const Geometry& g, int batch) { convs_.get(backward_weights(g, batch)); }
  // bias may be null. y is rectified where relu.
  void conv_forward(const Geometry& g, int batch, const A* x, const float* w, const float* bias, A* y, bool relu) {
    const cuda::ConvPlan& plan = convs_.get(forward(g, batch, bias != nullptr, relu));
    plan.forward(cudnn_.get(), x, weights(w), bias ? weights(bias) : nullptr, y, workspace(plan.workspace_size()));
    if (plan.fused()) return;
    const std::int64_t rows = std::int64_t{batch} * g.out.height * g.out.width;
    if (bias)
      cuda::add_bias(device(), rows, g.out.channels, bias, y, relu);
    else if (relu)
      cuda::relu_forward(device(), rows * g.out.channels, static_cast<const A*>(y), y);
  }
  void conv_backward_input(const Geometry& g, int batch, const A* dy, const float* w, A* dx) {
    const cuda::ConvPlan& plan = convs_.get(backward_input(g, batch));
    plan.backward_input(cudnn_.get(), dy, weights(w), dx, workspace(plan.workspace_size()));
  }
  // scratch has room for a number a weight.
  void conv_backward_weights(const Geometry& g, int batch, const A* x, const A* dy, float* dw, float* scratch) {
    const cuda::ConvPlan& plan = convs_.get(backward_weights(g, batch));
    const bool direct = plan.gradient() == cuda::Number::float32;
    plan.backward_weights(cudnn_.get(), x, dy, direct ? dw : scratch, workspace(plan.workspace_size()));
    if (!direct) cuda::convert(device(), g.taps() * g.out.channels, reinterpret_cast<const A*>(scratch), dw);
  }

  void prepare_dense_forward(int inputs, int units, int batch, bool bias, bool relu) {
    denses_.get(forward(inputs, units, batch, bias, relu));
  }
  void prepare_dense_backward_input(int inputs, int units, int batch) { denses_.get(backward_input(inputs, units, batch)); }
  void prepare_dense_backward_weights(int inputs, int units, int batch) {
    denses_.get(backward_weights(inputs, units, batch));
  }
  void dense_forward(int inputs, int units, int batch, const A* x, const float* w, const float* bias, A* y, bool relu) {
    const cuda::DensePlan& plan = denses_.get(forward(inputs, units, batch, bias != nullptr, relu));
    plan.forward(device().stream(), x, weights(w), bias ? weights(bias) : nullptr, y, workspace(plan.workspace_size()));
  }
  void dense_backward_input(int inputs, int units, int batch, const A* dy, const float* w, A* dx) {
    const cuda::DensePlan& plan = denses_.get(backward_input(inputs, units, batch));
    plan.backward_input(device().stream(), dy, weights(w), dx, workspace(plan.workspace_size()));
  }
  void dense_backward_weights(int inputs, int units, int batch, const A* x, const A* dy, float* dw) {
    const cuda::DensePlan& plan = denses_.get(backward_weights(inputs, units, batch));
    plan.backward_weights(device().stream(), x, dy, dw, workspace(plan.workspace_size()));
  }

 private:
  static constexpr int tuned = 8;  // ways that autotuning tries
  static constexpr std::int64_t rounded(std::int64_t bytes) { return (bytes + 255) / 256 * 256; }

  using Conv = cuda::ConvProblem;
  static Conv forward(const Geometry& g, int batch, bool bias, bool relu) {
    return {cuda::ConvOperation::forward, g, batch, Precision::math, bias, relu};
  }
  static Conv backward_input(const Geometry& g, int batch) {
    return {cuda::ConvOperation::backward_input, g, batch, Precision::math};
  }
  static Conv backward_weights(const Geometry& g, int batch) {
    return {cuda::ConvOperation::backward_weights, g, batch, Precision::math};
  }
  using Dense = cuda::DenseProblem;
  static Dense forward(int inputs, int units, int batch, bool bias, bool relu) {
    return {cuda::DenseOperation::forward,    inputs, units, batch, Precision::math, bias, relu,
            cuda::activation(Precision::math)};
  }
  static Dense backward_input(int inputs, int units, int batch) {
    return {.operation = cuda::DenseOperation::backward_input,
            .inputs = inputs,
            .units = units,
            .batch = batch,
            .math = Precision::math};
  }
  static Dense backward_weights(int inputs, int units, int batch) {
    return {.operation = cuda::DenseOperation::backward_weights,
            .inputs = inputs,
            .units = units,
            .batch = batch,
            .math = Precision::math};
  }

  // A batch of another size may bring a plan that wants more than those the arena was made for. What was given before
  // stays: captured graphs use it.
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
  cuda::ConvPlans convs_;
  cuda::DensePlans denses_;
  cuda::DeviceMemory arena_;
  std::vector<cuda::DeviceMemory> more_;
  std::byte* workspace_ = nullptr;
  std::int64_t workspace_bytes_ = 0;
};

}  // namespace strata
