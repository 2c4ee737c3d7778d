// SPDX-License-Identifier: BSL-1.0
// Dense layers on the GPU. x (N,in), weights (in,units), bias (units), y (N,units); gradients likewise. Everything has the
// activations' type, float or Bf16, except dw, which is float, and y, whose type is the problem's `output`. A bias has y's
// type.
#pragma once
#include <compare>
#include <cstdint>
#include <map>
#include <stdexcept>

#include <strata/backend/cuda/cublas.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda {

enum class DenseOperation { forward, backward_input, backward_weights };

// One operation of one layer, for one size of batch. `bias` and `output` are for forward only.
struct DenseProblem {
  DenseOperation operation = DenseOperation::forward;
  int inputs = 0, units = 0;
  int batch = 1;
  Math math = Math::tf32;
  bool bias = false;
  Number output = activation(math);  // logits may be float32 with any activations
  friend auto operator<=>(const DenseProblem&, const DenseProblem&) = default;
};

// The product behind a problem. To cuBLASLt each matrix is its transpose:
//   forward           y^T  (units,N)  = w^T (units,in)      x^T (in,N)
//   backward_input    dx^T (in,N)     = (w^T)^T (in,units)  dy^T (units,N)
//   backward_weights  dw^T (units,in) = dy^T (units,N)      (x^T)^T (N,in)
constexpr MatmulProblem dense_product(const DenseProblem& p) {
  switch (p.operation) {
    case DenseOperation::backward_input:
      return {p.inputs, p.batch, p.units, true, false, p.math, activation(p.math), Epilogue::none};
    case DenseOperation::backward_weights:
      return {p.units, p.inputs, p.batch, false, true, p.math, Number::float32, Epilogue::none};
    default:
      break;
  }
  return {p.units, p.batch, p.inputs, false, false, p.math, p.output, p.bias ? Epilogue::bias : Epilogue::none};
}

// The kernel that solves a problem on one device, chosen once.
class DensePlan {
 public:
  // Throws CublasError if cuBLASLt has no kernel within the limit, in bytes. For autotune see MatmulPlan.
  DensePlan(cublasLtHandle_t handle, const DenseProblem& problem, std::int64_t workspace_limit, int autotune = 0,
            cudaStream_t stream = nullptr)
      : operation_(problem.operation), plan_(handle, dense_product(problem), workspace_limit, autotune, stream) {}

  // Bytes of scratch memory on the device; nothing in it is kept between calls.
  [[nodiscard]] std::int64_t workspace_size() const { return plan_.workspace_size(); }

  // Each of these queues its operation on `stream`, and throws std::logic_error if the plan is for another. `bias` is not
  // read if the problem has none.
  void forward(cudaStream_t stream, const void* x, const void* weights, const void* bias, void* y, void* workspace) const {
    expect(DenseOperation::forward);
    plan_.execute(stream, weights, x, bias, y, workspace);
  }
  void backward_input(cudaStream_t stream, const void* dy, const void* weights, void* dx, void* workspace) const {
    expect(DenseOperation::backward_input);
    plan_.execute(stream, weights, dy, nullptr, dx, workspace);
  }
  void backward_weights(cudaStream_t stream, const void* x, const void* dy, void* dw, void* workspace) const {
    expect(DenseOperation::backward_weights);
    plan_.execute(stream, dy, x, nullptr, dw, workspace);
  }

 private:
  void expect(DenseOperation operation) const {
    if (operation_ != operation) throw std::logic_error("this plan of a Dense is for another operation");
  }
  DenseOperation operation_;
  MatmulPlan plan_;
};

// The plans of one device, each made on first use. References stay valid as long as this object; the handle must live as
// long.
class DensePlans {
 public:
  explicit DensePlans(cublasLtHandle_t handle, std::int64_t workspace_limit = std::int64_t{32} << 20, int autotune = 0,
                      cudaStream_t stream = nullptr)
      : handle_(handle), workspace_limit_(workspace_limit), autotune_(autotune), stream_(stream) {}

  const DensePlan& get(const DenseProblem& problem) {
    return plans_.try_emplace(problem, handle_, problem, workspace_limit_, autotune_, stream_).first->second;
  }
  // Bytes; enough for each plan so far.
  [[nodiscard]] std::int64_t workspace_size() const { return detail::largest_workspace(plans_); }

 private:
  cublasLtHandle_t handle_;
  std::int64_t workspace_limit_;
  int autotune_;
  cudaStream_t stream_;
  std::map<DenseProblem, DensePlan> plans_;
};

}  // namespace strata::inline STRATA_ABI::cuda
