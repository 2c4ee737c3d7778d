// SPDX-License-Identifier: BSL-1.0
// Errors of NCCL's and CUDA's functions as exceptions.
#pragma once
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <stdexcept>
#include <string>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

// "NCCL: adding gradients: unhandled system error: ...". The last part, if any, is NCCL's own account of the calling
// thread.
inline std::string nccl_text(ncclResult_t code, const char* what) {
  std::string text = std::string("NCCL: ") + what + ": " + ncclGetErrorString(code);
  if (const char* more = ncclGetLastError(nullptr); more && *more) text += std::string("; ") + more;
  return text;
}
// Throws std::runtime_error for a code that is no success.
inline void nccl_call(ncclResult_t code, const char* what) {
  if (code != ncclSuccess) throw std::runtime_error(nccl_text(code, what));
}
inline void cuda_call(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // or the next call reports it again
  throw std::runtime_error(std::string(what) + " failed: " + cudaGetErrorName(code) + ", " + cudaGetErrorString(code));
}

}  // namespace strata::inline STRATA_ABI::detail
