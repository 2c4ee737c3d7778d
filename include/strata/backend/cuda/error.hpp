// SPDX-License-Identifier: BSL-1.0
// Failures of CUDA and its libraries as exceptions, handles that are released by themselves, and the messages for devices
// that are missing, too small or not usable.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda {

// A call of a library failed: which one, the status's name, and what the library says about it.
template <class StatusType>
class CallError : public std::runtime_error {
 public:
  CallError(StatusType status, const std::string& what) : std::runtime_error(what), status_(status) {}
  [[nodiscard]] StatusType status() const { return status_; }
  [[nodiscard]] StatusType code() const { return status_; }  // the runtime's word for it

 private:
  StatusType status_;
};
using CudaError = CallError<cudaError_t>;

namespace detail {
// 12345678 -> "11.8 MiB"
inline std::string mebibytes(std::int64_t bytes) {
  const std::int64_t tenths = (bytes * 10 + (std::int64_t{1} << 19)) >> 20;
  return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10) + " MiB";
}
// 13010 -> "13.1"
inline std::string cuda_version(int version) {
  return std::to_string(version / 1000) + '.' + std::to_string(version % 1000 / 10);
}
}  // namespace detail

// For a device index that is not below `count`.
inline std::string no_such_device_message(int index, int count) {
  return "there is no CUDA device " + std::to_string(index) + ": this machine has " + std::to_string(count) +
         ", numbered from 0";
}

// `driver` as cudaDriverGetVersion gives it (0: no driver), `runtime` as cudaRuntimeGetVersion does.
inline std::string driver_too_old_message(int driver, int runtime) {
  const std::string needed = "CUDA " + detail::cuda_version(runtime);
  if (driver == 0) return "there is no NVIDIA driver on this machine; one for " + needed + " is needed";
  return "the NVIDIA driver is too old: it is made for CUDA " + detail::cuda_version(driver) + ", this program for " +
         needed + "; update the driver, or build with an older toolkit";
}

// For a machine without a usable device. `code` is what cudaGetDeviceCount returned.
inline std::string no_device_message(cudaError_t code) {
  if (code == cudaErrorInsufficientDriver) {  // an old one, or none
    int driver = 0, runtime = 0;
    static_cast<void>(cudaDriverGetVersion(&driver));
    static_cast<void>(cudaRuntimeGetVersion(&runtime));
    return driver_too_old_message(driver, runtime);
  }
  return std::string("no CUDA device can be used here (") + cudaGetErrorName(code) + ": " + cudaGetErrorString(code) +
         "); an NVIDIA GPU and its driver are needed, or the CPU backend";
}

// Bytes. `what` says what they are for: "a batch of 1024".
inline std::string not_enough_memory_message(const std::string& what, std::int64_t needed, std::int64_t free,
                                             std::int64_t total) {
  return "not enough memory on the GPU for " + what + ": " + detail::mebibytes(needed) + " are needed, " +
         detail::mebibytes(free) + " of " + detail::mebibytes(total) + " are free; take a smaller batch";
}

// Throws CudaError unless `code` is cudaSuccess. `call` is the function's name. A missing device and an old driver have
// messages of their own, since any first call may find them.
inline void check(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // or the next call reports it again
  std::string what = std::string(call) + " failed: ";
  if (code == cudaErrorNoDevice || code == cudaErrorInsufficientDriver)
    what += no_device_message(code);
  else
    what += std::string(cudaGetErrorName(code)) + ", " + cudaGetErrorString(code);
  throw CudaError(code, what);
}

namespace detail {
template <auto Destroy>
struct DestroyBy {
  template <class T>
  void operator()(T* p) const {
    static_cast<void>(Destroy(p));
  }
};
}  // namespace detail

// A handle or pointer of CUDA or one of its libraries. Destroy is called with it in the end.
template <class Handle, auto Destroy>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, detail::DestroyBy<Destroy>>;

// A new handle, from make(&handle).
template <class Handle, class Make>
Handle create(Make make) {
  Handle handle = nullptr;
  make(&handle);
  return handle;
}

}  // namespace strata::inline STRATA_ABI::cuda
