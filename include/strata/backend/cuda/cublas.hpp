// SPDX-License-Identifier: BSL-1.0
// Every call of cuBLASLt is in this header: products of matrices with what comes after them in one kernel.
// https://docs.nvidia.com/cuda/cublas/#using-the-cublaslt-api
//
// cuBLASLt counts in columns. A matrix of ours, rows of `columns` numbers, is its transpose there, without a number moved.
#pragma once
#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include <strata/backend/cuda/autotune.hpp>
#include <strata/backend/cuda/error.hpp>
#include <strata/backend/cuda/precision.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda {

using CublasError = CallError<cublasStatus_t>;

// Throws CublasError unless `status` is success. `call` is the function's name.
inline void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw CublasError(
      status, std::string(call) + " failed: " + cublasLtGetStatusName(status) + ", " + cublasLtGetStatusString(status));
}

// cuBLASLt's state for the current device. Throws CublasError if no device can be used.
class CublasHandle {
 public:
  CublasHandle() : handle_(create<cublasLtHandle_t>([](auto* h) { check(cublasLtCreate(h), "cublasLtCreate"); })) {}
  [[nodiscard]] cublasLtHandle_t get() const { return handle_.get(); }

 private:
  Owned<cublasLtHandle_t, cublasLtDestroy> handle_;
};

constexpr cudaDataType_t cuda_type(Number type) { return type == Number::bf16 ? CUDA_R_16BF : CUDA_R_32F; }

// The step between a product's sums and their store.
enum class Epilogue { none, bias };

// d = epilogue(op(a) op(b)), all stored by columns; d is `rows` x `columns`, and each number is a sum of `depth` products.
// The bias has `rows` numbers of d's type.
struct MatmulProblem {
  std::int64_t rows = 0, columns = 0, depth = 0;
  bool transpose_a = false, transpose_b = false;
  Math math = Math::tf32;
  Number output = Number::float32;  // inputs are of the type that `math` names
  Epilogue epilogue = Epilogue::none;
};

namespace detail {

// cuBLASLt's descriptors as values: they own nothing.
class MatmulOperation {
 public:
  explicit MatmulOperation(const MatmulProblem& p) {
    const auto compute = p.math == Math::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    check(cublasLtMatmulDescInit(&descriptor_, compute, CUDA_R_32F), "cublasLtMatmulDescInit");
    set(CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, has_bias(p.epilogue) ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT);
    // The heuristics take the alignment of biases from the pointer.
    if (has_bias(p.epilogue)) set_bias(reinterpret_cast<const void*>(alignment));
  }
  void set_bias(const void* bias) { set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias); }
  static constexpr bool has_bias(Epilogue e) { return e == Epilogue::bias; }
  [[nodiscard]] cublasLtMatmulDesc_t get() { return &descriptor_; }

 private:
  template <class T>
  void set(cublasLtMatmulDescAttributes_t name, const T& value) {
    check(cublasLtMatmulDescSetAttribute(&descriptor_, name, &value, sizeof(value)), "cublasLtMatmulDescSetAttribute");
  }
  cublasLtMatmulDescOpaque_t descriptor_{};
};

// By columns, without gaps.
inline cublasLtMatrixLayoutOpaque_t matrix_layout(Number type, std::int64_t rows, std::int64_t columns) {
  cublasLtMatrixLayoutOpaque_t layout{};
  check(cublasLtMatrixLayoutInit(&layout, cuda_type(type), static_cast<std::uint64_t>(rows),
                                 static_cast<std::uint64_t>(columns), rows),
        "cublasLtMatrixLayoutInit");
  return layout;
}

// Which kernels are acceptable.
inline cublasLtMatmulPreferenceOpaque_t matmul_preference(std::int64_t workspace_limit) {
  cublasLtMatmulPreferenceOpaque_t preference{};
  check(cublasLtMatmulPreferenceInit(&preference), "cublasLtMatmulPreferenceInit");
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t name, auto value) {
    check(cublasLtMatmulPreferenceSetAttribute(&preference, name, &value, sizeof(value)),
          "cublasLtMatmulPreferenceSetAttribute");
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::uint64_t>(workspace_limit));
  // Partial sums must be added in float32 and in a fixed order.
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  for (const auto name : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    set(name, static_cast<std::uint32_t>(alignment));
  return preference;
}

}  // namespace detail

// A product and its kernel, chosen once by the heuristics.
class MatmulPlan {
  // nvcc 13.0 stops with an internal error at a vector of these.
  using Found = std::array<cublasLtMatmulHeuristicResult_t, 16>;

 public:
  // Throws CublasError if cuBLASLt has no kernel within the limit, in bytes. autotune above 1: run the first `autotune`
  // kernels, 16 at most, on `stream` and keep the fastest.
  MatmulPlan(cublasLtHandle_t handle, const MatmulProblem& p, std::int64_t workspace_limit, int autotune = 0,
             cudaStream_t stream = nullptr)
      : handle_(handle),
        has_bias_(detail::MatmulOperation::has_bias(p.epilogue)),
        operation_(p),
        a_(detail::matrix_layout(activation(p.math), p.transpose_a ? p.depth : p.rows, p.transpose_a ? p.rows : p.depth)),
        b_(detail::matrix_layout(activation(p.math), p.transpose_b ? p.columns : p.depth,
                                 p.transpose_b ? p.depth : p.columns)),
        d_(detail::matrix_layout(p.output, p.rows, p.columns)) {
    auto preference = detail::matmul_preference(workspace_limit);
    Found found{};
    int count = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle, operation_.get(), &a_, &b_, &d_, &d_, &preference,
                                       std::clamp(autotune, 1, static_cast<int>(found.size())), found.data(), &count);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) check(status, "cublasLtMatmulAlgoGetHeuristic");
    const auto end = std::remove_if(found.begin(), found.begin() + count,
                                    [](const auto& result) { return result.state != CUBLAS_STATUS_SUCCESS; });
    if (end == found.begin())
      throw CublasError(CUBLAS_STATUS_NOT_SUPPORTED, "cuBLASLt has no kernel for a product of " + std::to_string(p.rows) +
                                                         'x' + std::to_string(p.depth) + " by " + std::to_string(p.depth) +
                                                         'x' + std::to_string(p.columns) + ", " + name_of(p.math));
    const auto kernels = static_cast<std::size_t>(end - found.begin());
    const std::size_t best = kernels > 1 ? tune(found, kernels, p, stream) : 0;
    algorithm_ = found[best].algo;
    workspace_ = found[best].workspaceSize;
  }

  // Bytes of scratch memory on the device; nothing in it is kept between calls.
  [[nodiscard]] std::int64_t workspace_size() const { return static_cast<std::int64_t>(workspace_); }

  // Queues the product on `stream`. `bias` is not read if the epilogue has none.
  void execute(cudaStream_t stream, const void* a, const void* b, const void* bias, void* d, void* workspace) const {
    run(algorithm_, workspace_, stream, a, b, bias, d, workspace);
  }

 private:
  void run(const cublasLtMatmulAlgo_t& algorithm, std::size_t bytes, cudaStream_t stream, const void* a, const void* b,
           const void* bias, void* d, void* workspace) const {
    auto operation = operation_;  // a copy, because it holds the pointer to the bias
    auto layout_a = a_, layout_b = b_, layout_d = d_;
    if (has_bias_) operation.set_bias(bias);
    const float one = 1, zero = 0;
    check(cublasLtMatmul(handle_, operation.get(), &one, a, &layout_a, b, &layout_b, &zero, d, &layout_d, d, &layout_d,
                         &algorithm, workspace, bytes, stream),
          "cublasLtMatmul");
  }

  std::size_t tune(const Found& found, std::size_t kernels, const MatmulProblem& p, cudaStream_t stream) const {
    const std::int64_t input = bytes_of(activation(p.math)), output = bytes_of(p.output);
    std::size_t most = 0;
    for (std::size_t i = 0; i < kernels; ++i) most = std::max(most, found[i].workspaceSize);
    try {
      const detail::Trial a(p.rows * p.depth * input), b(p.depth * p.columns * input), bias(p.rows * output),
          d(p.rows * p.columns * output), workspace(static_cast<std::int64_t>(most));
      return detail::fastest(kernels, stream, [&](std::size_t i) {
        run(found[i].algo, found[i].workspaceSize, stream, a.get(), b.get(), bias.get(), d.get(), workspace.get());
      });
    } catch (const CudaError& error) {
      if (error.code() != cudaErrorMemoryAllocation) throw;
      return 0;  // no memory for the trials: the heuristics' first
    }
  }

  cublasLtHandle_t handle_;
  bool has_bias_;
  detail::MatmulOperation operation_;
  cublasLtMatrixLayoutOpaque_t a_, b_, d_;
  cublasLtMatmulAlgo_t algorithm_{};
  std::size_t workspace_ = 0;
};

}  // namespace strata::inline STRATA_ABI::cuda
