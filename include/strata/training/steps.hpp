// SPDX-License-Identifier: BSL-1.0
// What a Trainer asks of a backend: memory for training, images and targets where the engine works, the loss, the update,
// and the order in which queued steps finish. backend/cpu/steps.hpp does each step at once; backend/cuda/steps.hpp queues a
// few and captures them as graphs.
#pragma once
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>

namespace strata::inline STRATA_ABI {

struct StepSizes {
  std::int64_t parameters = 0;
  int slot_count = 0;              // of the optimizer
  int batch = 0;                   // capacity
  Shape input{};                   // of an image
  std::int64_t output = 0;         // numbers of a sample's output
  std::int64_t rows = 1;           // of a sample: the places of a class map, else 1
  std::int64_t target = 1;         // elements of a sample's target
  std::int64_t ranges = 1;         // of parameters, each with its numbers of an update
  std::int64_t element_bytes = 0;  // of these numbers
};

// The numbers that differ between steps on a GPU.
struct StepNumber {
  std::int64_t update = 0;  // the number of updates done before
  std::int64_t step =
      0;  // the number of steps done before, which dropout's random numbers follow; one update may be several
  std::uint64_t epoch = 0;  // augmentation's random numbers follow it
};

// The result of a step.
struct FinishedStep {
  StepNumber number{};
  int samples = 0;
  double loss = 0;           // sum over the rows
  std::int64_t correct = 0;  // decisions that were right
  bool finite = true;        // the loss is a number
  bool own_finite = true;    // on GPUs: and so is that of this process's share
  // If they are clipped: their norm is a number. If not, nothing was updated.
  bool finite_gradients = true;
};

// StepsOf<Backend>::type is the backend's Steps<Engine>; its header defines it.
template <class Backend>
struct StepsOf;

}  // namespace strata::inline STRATA_ABI
