// SPDX-License-Identifier: BSL-1.0
// What a Model and the engine of a backend tell each other. An engine owns the memory and runs the kernels:
// backend/cpu/engine.hpp, backend/cuda/engine.hpp.
#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include <strata/core/linkage.hpp>
#include <strata/util/no_copy.hpp>
#include <strata/util/thread_pool.hpp>

namespace strata::inline STRATA_ABI {

struct EngineOptions {
  int threads = 0;                     // of the processor; 0: all that the process may use
  std::shared_ptr<ThreadPool> pool{};  // instead of threads of its own
  int device = 0;                      // which GPU
  bool autotune = false;               // measure several ways to compute each product and keep the fastest
};

// Sums numbers over a batch that several processes compute together.
class BatchSums : public Interface {
 public:
  // Replaces the numbers by their sums over all processes, which make the same calls in the same order.
  virtual void sum(std::span<double> numbers) = 0;
};

// The memory of a model, parameters first.
struct ArenaRequest {
  std::int64_t bytes;
  std::int64_t own;     // where the engine's own part begins
  std::int64_t images;  // elements in a batch of images
};

// The weights of a convolution: (taps,filters) on the host, taps being (KH,KW,C/groups).
struct FilterTensor {
  std::int64_t offset;  // from the first parameter
  std::int64_t taps, filters;
};

// Everything that keeps its values between steps, in the engine's memory.
template <class T>
struct TensorRegions {
  T* parameters;
  std::int64_t parameter_count;
  T* state;
  std::int64_t state_count;
  std::span<const FilterTensor> filters;
};

// The same on the host, each tensor as its TensorInfo says.
template <class T>
struct HostTensors {
  T* parameters;
  T* state;
};

}  // namespace strata::inline STRATA_ABI
