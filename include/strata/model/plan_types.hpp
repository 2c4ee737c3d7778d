// SPDX-License-Identifier: BSL-1.0
// The types of the memory plan.
#pragma once
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/model/program.hpp>

namespace strata::inline STRATA_ABI {

// Bytes of a model, by purpose.
struct MemoryPlan {
  std::int64_t weights = 0, state = 0, gradients = 0, optimizer = 0;
  std::int64_t packed = 0;  // the weights again, as the kernels of inference read them (model/chain.hpp)
  std::int64_t activations = 0, activation_gradients = 0, saved = 0, scratch = 0;
  std::int64_t engine = 0;  // the backend's own: on a GPU the images and, with bfloat16, a copy of the weights
  [[nodiscard]] constexpr std::int64_t total() const {
    return weights + state + packed + gradients + optimizer + activations + activation_gradients + saved + scratch + engine;
  }
};

namespace detail {

// The place of a node's tensors. A buffer has the number of the node that creates it.
template <class Ops>
struct NodePlan {
  const BlockNode<Ops>* block = nullptr;  // that begins here
  int length = 1;                         // nodes of the block or chain that begins here; 0: inside one
  Chain chain{};                          // that begins here, if one does
  bool begins_chain = false;
  int chain_first = -1;         // the first of the chain that it is a later part of
  int value = 0, gradient = 0;  // the buffers of its output and of that one's gradient
  bool learns = false;          // it or a node before it has parameters, so that its gradient is needed
  int value_begin = 0, value_end = 0, gradient_begin = 0, gradient_end = 0;  // first and last node that touch the buffer
  std::int64_t value_at = 0, gradient_at = 0, saved_at = 0;                  // bytes from the start of the working memory
  std::int64_t parameters = 0, state = 0, packed = 0;                        // elements from the start of their region
  // The node behind the last of those that begin here and compute parts of the batch (model/parts.hpp); 0: none begin here.
  int part_end = 0;
  bool in_part = false;  // its buffer holds the samples of a part
};

// Where the regions begin. Weights, state and packed weights are one part of the arena, which keeps its values between
// steps. The working memory is the other: gradients of the parameters, activations, their gradients, what kernels save,
// scratch, the engine's.
struct Layout {
  MemoryPlan plan;
  std::int64_t states = 0, packed = 0;                  // bytes from the start of the weights
  std::int64_t gradients = 0, scratch = 0, engine = 0;  // bytes from the start of the working memory
  [[nodiscard]] constexpr std::int64_t kept() const { return plan.weights + plan.state + plan.packed; }
};

// Bytes of an element: of parameters and state, and of what flows between layers.
struct ScalarBytes {
  std::int64_t parameter, activation;
};

struct PlanRequest {
  std::int64_t batch;
  int threads;
  ScalarBytes scalar;
  bool training;
  int capacity;         // the batch that weights are packed for: the model's
  std::int64_t engine;  // bytes that the engine needs for itself
};

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
