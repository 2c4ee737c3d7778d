// SPDX-License-Identifier: BSL-1.0
// One GPU: a stream of work, memory, captured graphs. Work is queued on the stream in order; functions that wait
// say so.
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>

#include <strata/backend/cuda/element.hpp>
#include <strata/backend/cuda/error.hpp>
#include <strata/backend/cuda/stream.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda {

namespace detail {
inline constexpr int threads_of_a_block = 256;
#if defined(__CUDACC__)
template <class Element>
__global__ void __launch_bounds__(threads_of_a_block) run_elements(std::int64_t n, Element element) {
  const std::int64_t all = static_cast<std::int64_t>(gridDim.x) * threads_of_a_block;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * threads_of_a_block + threadIdx.x; i < n; i += all)
    element(i);
}
#endif
}  // namespace detail

// A Run (element.hpp). For one thread at a time.
class Device {
 public:
  // Throws CudaError if there is no such device, no driver, or an old one.
  explicit Device(int index) : index_(checked(index)) {
    check(cudaDeviceGetAttribute(&processors_, cudaDevAttrMultiProcessorCount, index), "cudaDeviceGetAttribute");
  }

  [[nodiscard]] int index() const { return index_; }
  [[nodiscard]] cudaStream_t stream() const { return stream_.get(); }
  // "NVIDIA H200"
  [[nodiscard]] std::string name() const {
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, index_), "cudaGetDeviceProperties");
    return properties.name;
  }
  // Directs the calling thread's calls to this device. A function that any thread may call begins with it.
  void use() const { check(cudaSetDevice(index_), "cudaSetDevice"); }

  // Calls element(i) on the device for each i in [0, n).
  template <class Element>
  void operator()([[maybe_unused]] std::int64_t n, [[maybe_unused]] Element element) {
#if defined(__CUDACC__)
    if (n <= 0) return;
    constexpr int rounds = 16;  // waves of blocks before threads take a second element
    const std::int64_t blocks = (n + detail::threads_of_a_block - 1) / detail::threads_of_a_block;
    const auto grid = static_cast<unsigned>(std::min<std::int64_t>(blocks, std::int64_t{processors_} * 8 * rounds));
    detail::run_elements<<<grid, detail::threads_of_a_block, 0, stream()>>>(n, element);
    check(cudaGetLastError(), "launching a kernel");
#else
    static_assert(sizeof(Element) == 0, "strata: code that runs kernels on a GPU must be compiled as CUDA (a .cu file)");
#endif
  }

  // Bytes between host and device, or within it.
  void copy_bytes(void* to, const void* from, std::int64_t bytes) {
    stream_.copy_bytes(to, from, static_cast<std::size_t>(bytes));
  }
  void zero_bytes(void* to, std::int64_t bytes) {
    check(cudaMemsetAsync(to, 0, static_cast<std::size_t>(bytes), stream()), "cudaMemsetAsync");
  }
  // Waits until all queued work is done.
  void finish() { check(cudaStreamSynchronize(stream()), "cudaStreamSynchronize"); }

 private:
  // The index of an existing device, to which the calling thread's calls go from now on.
  static int checked(int index) {
    int count = 0;
    const cudaError_t code = cudaGetDeviceCount(&count);
    if (code == cudaErrorInsufficientDriver) check(code, "cudaGetDeviceCount");
    if (code != cudaSuccess || count == 0) {
      static_cast<void>(cudaGetLastError());
      throw CudaError(code == cudaSuccess ? cudaErrorNoDevice : code, "strata: " + no_device_message(code));
    }
    if (index < 0 || index >= count)
      throw CudaError(cudaErrorInvalidDevice, "strata: " + no_such_device_message(index, count));
    check(cudaSetDevice(index), "cudaSetDevice");
    return index;
  }

  int index_;
  int processors_ = 1;
  Stream stream_;
};

// Zeros on the device.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  // `what` it is for: "a batch of 128". Throws CudaError, which says how many bytes were needed if there are too few.
  DeviceMemory(Device& device, std::int64_t bytes, const std::string& what) {
    void* p = nullptr;
    const cudaError_t code = cudaMalloc(&p, static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1)));
    if (code == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());
      std::size_t free = 0, total = 0;
      check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
      throw CudaError(code, "strata: " + not_enough_memory_message(what, bytes, static_cast<std::int64_t>(free),
                                                                   static_cast<std::int64_t>(total)));
    }
    check(code, "cudaMalloc");
    memory_.reset(static_cast<std::byte*>(p));
    device.zero_bytes(p, bytes);
  }
  [[nodiscard]] std::byte* get() const { return memory_.get(); }

 private:
  Owned<std::byte*, cudaFree> memory_;
};

// An allocator of host memory that the device can access.
template <class T>
struct PinnedAllocator {
  using value_type = T;
  PinnedAllocator() = default;
  template <class U>
  PinnedAllocator(const PinnedAllocator<U>&) {}  // NOLINT: allocators convert
  T* allocate(std::size_t n) {
    void* p = nullptr;
    if (cudaHostAlloc(&p, n * sizeof(T), cudaHostAllocPortable | cudaHostAllocMapped) != cudaSuccess) {
      static_cast<void>(cudaGetLastError());
      throw std::bad_alloc();
    }
    return static_cast<T*>(p);
  }
  void deallocate(T* p, std::size_t) { static_cast<void>(cudaFreeHost(p)); }
  friend bool operator==(const PinnedAllocator&, const PinnedAllocator&) { return true; }
};

// Work that was captured once and can be queued again as a whole.
class CapturedGraph {
 public:
  CapturedGraph() = default;
  // Captures the work that `work()` queues on the stream, without running it. Exceptions of `work` pass through.
  template <class Work>
  CapturedGraph(cudaStream_t stream, Work&& work) {
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    cudaGraph_t graph = nullptr;
    try {
      work();
    } catch (...) {
      static_cast<void>(cudaStreamEndCapture(stream, &graph));
      if (graph) static_cast<void>(cudaGraphDestroy(graph));
      static_cast<void>(cudaGetLastError());  // or the next launch reports that the capture broke off
      throw;
    }
    check(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
    cudaGraphExec_t exec = nullptr;
    const cudaError_t code = cudaGraphInstantiate(&exec, graph, 0);
    static_cast<void>(cudaGraphDestroy(graph));
    check(code, "cudaGraphInstantiate");
    exec_.reset(exec);
  }
  explicit operator bool() const { return exec_ != nullptr; }
  void launch(cudaStream_t stream) const { check(cudaGraphLaunch(exec_.get(), stream), "cudaGraphLaunch"); }

 private:
  Owned<cudaGraphExec_t, cudaGraphExecDestroy> exec_;
};

}  // namespace strata::inline STRATA_ABI::cuda
