// SPDX-License-Identifier: BSL-1.0
// Convolutions on the GPU. x (N,H,W,C), weights (F,KH,KW,C/groups), bias (F), y (N,H',W',F); gradients likewise. Everything
// is of the activations' type, float or Bf16, but for the gradient of the weights: see ConvPlan::gradient().
#pragma once
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/backend/cuda/cudnn.hpp>
#include <strata/backend/cuda/graph.hpp>
#include <strata/backend/cuda/plan.hpp>
#include <strata/backend/cuda/precision.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cuda {

// One operation of one convolution, for one size of batch. `bias` is for forward only.
struct ConvProblem {
  ConvOperation operation = ConvOperation::forward;
  Geometry geometry;
  int batch = 1;
  Math math = Math::tf32;
  bool bias = false;
  friend auto operator<=>(const ConvProblem&, const ConvProblem&) = default;
};

namespace detail {

// The tensors' names in every graph below. `sum` is the output before the bias.
enum ConvTensor : std::int64_t { conv_x = 1, conv_w, conv_bias, conv_y, conv_sum };

struct ConvSizes {
  Sizes x, w, bias, y;
  explicit ConvSizes(const ConvProblem& p)
      : x{p.batch, p.geometry.in.channels, p.geometry.in.height, p.geometry.in.width},
        // Networks with bad groups do not compile; this only avoids a division by zero.
        w{p.geometry.out.channels, p.geometry.groups > 0 ? p.geometry.in.channels / p.geometry.groups : 0,
          p.geometry.window.kernel_h, p.geometry.window.kernel_w},
        bias{1, p.geometry.out.channels, 1, 1},
        y{p.batch, p.geometry.out.channels, p.geometry.out.height, p.geometry.out.width} {}
};

// y = sum + bias
inline void add_bias_operation(Graph& graph, const ConvProblem& p, const Descriptor& sum) {
  const ConvSizes sizes(p);
  const Number type = activation(p.math);
  const Descriptor& bias = graph.tensor(conv_bias, sizes.bias, type);
  const Descriptor& y = graph.tensor(conv_y, sizes.y, type);
  graph.operation(pointwise_operation(graph.keep(make_pointwise(CUDNN_POINTWISE_ADD)), sum, &bias, y));
}

}  // namespace detail

// A problem's operations for cuDNN; no device is needed. `gradient` is the type of the weights' gradient.
// Throws CudnnError if cuDNN refuses the sizes.
inline std::shared_ptr<const Graph> conv_graph(const ConvProblem& p, Number gradient = Number::float32) {
  using namespace detail;
  auto graph = std::make_shared<Graph>();
  const ConvSizes sizes(p);
  const Number type = activation(p.math);
  const bool to_weights = p.operation == ConvOperation::backward_weights;
  const Descriptor& window = graph->keep(make_convolution(p.geometry.window));
  const Descriptor& x = graph->tensor(conv_x, sizes.x, type);
  const Descriptor& w = graph->tensor(conv_w, sizes.w, to_weights ? gradient : type);
  const bool biased = p.operation == ConvOperation::forward && p.bias;
  const Descriptor& y = biased ? graph->virtual_tensor(conv_sum, sizes.y) : graph->tensor(conv_y, sizes.y, type);
  graph->operation(convolution_operation(p.operation, window, x, w, y));
  if (biased) add_bias_operation(*graph, p, y);
  return graph;
}

// The engine that solves a problem on one device, chosen once.
class ConvPlan {
 public:
  // Throws CudnnError if cuDNN refuses the sizes or has no engine within the options.
  ConvPlan(const ConvProblem& problem, const PlanTarget& target, const PlanOptions& options = {}) : problem_(problem) {
    std::string why;
    if (options.fuse || !problem.bias) plan_ = choose_plan(conv_graph(problem), target, problem.math, options, why);
    if (!plan_ && problem.operation == ConvOperation::backward_weights && problem.math == Math::bf16) {
      gradient_ = Number::bf16;
      plan_ = choose_plan(conv_graph(problem, gradient_), target, problem.math, options, why);
    }
    if (!plan_ && problem.bias) {
      fused_ = false;
      plan_ = choose_plan(conv_graph(without_bias(problem)), target, problem.math, options, why);
    }
    if (!plan_) throw CudnnError(CUDNN_STATUS_NOT_SUPPORTED, "cuDNN has no plan for " + describe(problem) + ": " + why);
  }

  [[nodiscard]] const ConvProblem& problem() const { return problem_; }
  // Bytes of scratch memory on the device; nothing in it is kept between calls.
  [[nodiscard]] std::int64_t workspace_size() const { return plan_->workspace_size(); }
  // The type of dw: float32, or bfloat16 if cuDNN has no engine with another from bfloat16 inputs. The caller then
  // converts.
  [[nodiscard]] Number gradient() const { return gradient_; }
  // False: the problem has a bias, and cuDNN has no engine that adds it to the convolution. The caller then calls
  // add_bias() of activations.hpp after forward().
  [[nodiscard]] bool fused() const { return fused_; }

  // What cuDNN says about how exactly it computes.
  [[nodiscard]] std::vector<cudnnBackendNumericalNote_t> numerical_notes() const { return plan_->numerical_notes(); }

  // Each of these queues its operation on the handle's stream, and throws std::logic_error if the plan is for another.
  // `bias` is read only if the problem has one and the plan is fused().
  void forward(cudnnHandle_t handle, const void* x, const void* weights, const void* bias, void* y, void* workspace) const {
    using namespace detail;
    expect(ConvOperation::forward);
    if (fused_ && problem_.bias)
      run<4>(handle, {conv_x, conv_w, conv_bias, conv_y}, {in(x), in(weights), in(bias), y}, workspace);
    else
      run<3>(handle, {conv_x, conv_w, conv_y}, {in(x), in(weights), y}, workspace);
  }
  void backward_input(cudnnHandle_t handle, const void* dy, const void* weights, void* dx, void* workspace) const {
    using namespace detail;
    expect(ConvOperation::backward_input);
    run<3>(handle, {conv_y, conv_w, conv_x}, {in(dy), in(weights), dx}, workspace);
  }
  // dw is of the type gradient().
  void backward_weights(cudnnHandle_t handle, const void* x, const void* dy, void* dw, void* workspace) const {
    using namespace detail;
    expect(ConvOperation::backward_weights);
    run<3>(handle, {conv_x, conv_y, conv_w}, {in(x), in(dy), dw}, workspace);
  }

  // "Conv forward, bias, 3x3, 8x8x16 -> 8x8x32, groups 1, batch 128, TF32"
  static std::string describe(const ConvProblem& p) {
    const auto by = [](int a, int b) { return std::to_string(a) + 'x' + std::to_string(b); };
    const auto shape = [&](Shape s) { return by(s.height, s.width) + 'x' + std::to_string(s.channels); };
    const char* operation = p.operation == ConvOperation::forward          ? "forward"
                            : p.operation == ConvOperation::backward_input ? "backward to the input"
                                                                           : "backward to the weights";
    return std::string("Conv ") + operation + (p.bias ? ", bias, " : ", ") +
           by(p.geometry.window.kernel_h, p.geometry.window.kernel_w) + ", " + shape(p.geometry.in) + " -> " +
           shape(p.geometry.out) + ", groups " + std::to_string(p.geometry.groups) + ", batch " + std::to_string(p.batch) +
           ", " + name_of(p.math);
  }

 private:
  static void* in(const void* pointer) { return const_cast<void*>(pointer); }  // cuDNN has one kind of pointer

  static ConvProblem without_bias(ConvProblem p) {
    p.bias = false;
    return p;
  }
  template <std::size_t N>
  void run(cudnnHandle_t handle, const std::array<std::int64_t, N>& ids, const std::array<void*, N>& pointers,
           void* workspace) const {
    plan_->execute(handle, ids, pointers, workspace);
  }
  void expect(ConvOperation operation) const {
    if (problem_.operation != operation)
      throw std::logic_error("this plan is for another operation: " + describe(problem_));
  }

  ConvProblem problem_;
  Number gradient_ = Number::float32;
  bool fused_ = true;
  std::optional<Plan> plan_;
};

// The plans of one device, each made on first use. References stay valid as long as this object; the target's handle or
// properties must live as long. Making a plan takes from milliseconds to seconds, so make all of a network's before it
// runs.
class ConvPlans {
 public:
  explicit ConvPlans(const PlanTarget& target, const PlanOptions& options = {}) : target_(target), options_(options) {}

  const ConvPlan& get(const ConvProblem& problem) {
    return plans_.try_emplace(problem, problem, target_, options_).first->second;
  }
  // Bytes; enough for each plan so far.
  [[nodiscard]] std::int64_t workspace_size() const { return detail::largest_workspace(plans_); }

 private:
  PlanTarget target_;
  PlanOptions options_;
  std::map<ConvProblem, ConvPlan> plans_;
};

}  // namespace strata::inline STRATA_ABI::cuda
