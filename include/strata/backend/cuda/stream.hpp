// SPDX-License-Identifier: BSL-1.0
// Streams of work, and events that mark places in them.
#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>

#include <strata/backend/cuda/error.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda {

class Stream {
 public:
  Stream()
      : stream_(create<cudaStream_t>(
            [](auto* s) { check(cudaStreamCreateWithFlags(s, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"); })) {}
  [[nodiscard]] cudaStream_t get() const { return stream_.get(); }
  // Between host and device, or within the device.
  void copy_bytes(void* to, const void* from, std::size_t bytes) {
    if (bytes == 0) return;  // of a share without samples
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, get()), "cudaMemcpyAsync");
  }

 private:
  Owned<cudaStream_t, cudaStreamDestroy> stream_;
};

class StreamEvent {
 public:
  // cudaEventDefault measures time too.
  explicit StreamEvent(unsigned flags = cudaEventDisableTiming)
      : event_(create<cudaEvent_t>(
            [flags](auto* e) { check(cudaEventCreateWithFlags(e, flags), "cudaEventCreateWithFlags"); })) {}
  void record(cudaStream_t stream) { check(cudaEventRecord(event_.get(), stream), "cudaEventRecord"); }
  // Work that is queued on the stream from now on waits for the event. The caller does not wait.
  void hold(cudaStream_t stream) { check(cudaStreamWaitEvent(stream, event_.get(), 0), "cudaStreamWaitEvent"); }
  // Waits for the event; returns at once if nothing was recorded.
  void wait() const { check(cudaEventSynchronize(event_.get()), "cudaEventSynchronize"); }
  // Whether there is nothing to wait for.
  [[nodiscard]] bool happened() const {
    const cudaError_t code = cudaEventQuery(event_.get());
    if (code != cudaErrorNotReady) return check(code, "cudaEventQuery"), true;
    static_cast<void>(cudaGetLastError());  // or the next call reports it
    return false;
  }
  // Milliseconds from `start` to this event. Waits for both.
  [[nodiscard]] float since(const StreamEvent& start) const {
    wait();
    float ms = 0;
    check(cudaEventElapsedTime(&ms, start.event_.get(), event_.get()), "cudaEventElapsedTime");
    return ms;
  }

 private:
  Owned<cudaEvent_t, cudaEventDestroy> event_;
};

}  // namespace strata::inline STRATA_ABI::cuda
