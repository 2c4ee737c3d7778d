// SPDX-License-Identifier: BSL-1.0
// Autotuning: measures how long work takes on the device. Used while plans are made, never within a step.
#pragma once
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>

#include <strata/backend/cuda/error.hpp>
#include <strata/backend/cuda/stream.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda::detail {

// Memory on the device for a measurement: zeros, on any stream.
class Trial {
 public:
  explicit Trial(std::int64_t bytes) {
    if (bytes == 0) return;
    const auto size = static_cast<std::size_t>(bytes);
    data_.reset(create<void*>([size](void** p) { check(cudaMalloc(p, size), "cudaMalloc"); }));
    check(cudaMemset(get(), 0, size), "cudaMemset");
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }
  [[nodiscard]] void* get() const { return data_.get(); }

 private:
  Owned<void*, cudaFree> data_;
};

// Milliseconds that run() takes on `stream`: the best of three rounds of five calls, after one to warm up.
template <class Run>
float milliseconds(cudaStream_t stream, Run&& run) {
  run();
  float best = std::numeric_limits<float>::max();
  for (int round = 0; round < 3; ++round) {
    StreamEvent start(cudaEventDefault), stop(cudaEventDefault);
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

}  // namespace strata::inline STRATA_ABI::cuda::detail
