// SPDX-License-Identifier: BSL-1.0
// Autotuning: measures how long work takes on the device. Used while plans are made, never within a step.
#pragma once
#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <strata/backend/cuda/error.hpp>

namespace strata::cuda::detail {

// Memory on the device for a measurement: zeros, on any stream.
class Trial {
 public:
  explicit Trial(std::int64_t bytes) {
    if (bytes == 0) return;
    const cudaError_t allocated = cudaMalloc(&data_, static_cast<std::size_t>(bytes));
    if (allocated != cudaSuccess) static_cast<void>(cudaGetLastError());  // or the next launch reports it
    check(allocated, "cudaMalloc");
    cudaError_t code = cudaMemset(data_, 0, static_cast<std::size_t>(bytes));
    if (code == cudaSuccess) code = cudaDeviceSynchronize();
    if (code != cudaSuccess) cudaFree(data_);
    check(code, "cudaMemset");
  }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  ~Trial() {
    if (data_) cudaFree(data_);
  }
  [[nodiscard]] void* get() const { return data_; }

 private:
  void* data_ = nullptr;
};

class Timestamp {
 public:
  Timestamp() { check(cudaEventCreate(&event_), "cudaEventCreate"); }
  Timestamp(const Timestamp&) = delete;
  Timestamp& operator=(const Timestamp&) = delete;
  ~Timestamp() { cudaEventDestroy(event_); }
  void record(cudaStream_t stream) { check(cudaEventRecord(event_, stream), "cudaEventRecord"); }
  // Milliseconds from `start` to this. Waits for both.
  [[nodiscard]] float since(const Timestamp& start) const {
    check(cudaEventSynchronize(event_), "cudaEventSynchronize");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, start.event_, event_), "cudaEventElapsedTime");
    return ms;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

// Milliseconds that run() takes on `stream`: the best of three rounds of five calls, after one to warm up.
template <class Run>
float milliseconds(cudaStream_t stream, Run&& run) {
  run();
  float best = std::numeric_limits<float>::max();
  for (int round = 0; round < 3; ++round) {
    Timestamp start, stop;
    start.record(stream);
    for (int i = 0; i < 5; ++i) run();
    stop.record(stream);
    best = std::min(best, stop.since(start) / 5);
  }
  return best;
}

// Which of `count` is the fastest; run(i) queues the i-th. One that throws is skipped.
template <class Run>
std::size_t fastest(std::size_t count, cudaStream_t stream, Run&& run) {
  std::size_t winner = 0;
  float best = std::numeric_limits<float>::max();
  for (std::size_t i = 0; i < count; ++i) {
    try {
      const float ms = milliseconds(stream, [&] { run(i); });
      if (ms < best) best = ms, winner = i;
    } catch (const std::runtime_error&) {
    }
  }
  return winner;
}

// Bytes; enough for each plan of a map.
template <class Plans>
std::int64_t largest_workspace(const Plans& plans) {
  std::int64_t most = 0;
  for (const auto& [problem, plan] : plans) most = std::max(most, plan.workspace_size());
  return most;
}

}  // namespace strata::cuda::detail
