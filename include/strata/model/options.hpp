// SPDX-License-Identifier: BSL-1.0
// What a model is made with.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/model/engine.hpp>
#include <strata/model/initializers.hpp>

namespace strata::inline STRATA_ABI {

// What a model is for. A model for inference has no memory for gradients, and none of the functions that need it.
struct Training {};
struct Inference {};

struct ModelOptions {
  int batch = 32;                      // capacity: the most samples in one call
  int threads = 0;                     // of the processor; 0: all that the process may use
  std::shared_ptr<ThreadPool> pool{};  // to share with other models instead of threads of its own; `threads` is ignored
  std::uint64_t seed = 0;              // of everything random: initial weights, dropout
  Initializer weights = GlorotUniform{};
  Initializer biases = Constant{0.0};
  std::vector<TensorInitializer> tensors{};  // for single tensors; they override the two above
  // For backends on a GPU: which one, and whether to measure several ways to compute each product and keep the fastest. A
  // measurement may choose differently the next time, so that the last bits differ from run to run.
  int device = 0;
  bool autotune = false;

  [[nodiscard]] EngineOptions engine() const {
    return {.threads = threads, .pool = pool, .device = device, .autotune = autotune};
  }
  // Throws std::invalid_argument for a batch below 1 or a negative number of threads.
  const ModelOptions& checked() const;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/model/options_impl.hpp>
#endif
