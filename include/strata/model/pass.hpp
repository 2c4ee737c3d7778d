// SPDX-License-Identifier: BSL-1.0
// What a kernel gets: the tensors of one layer and the backend's entry points.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>

namespace strata::inline STRATA_ABI {

// One layer in one step. A pointer is null if the plan says that it is not needed. `ops` is the backend's table of entry
// points (backend/cpu/ops.hpp, backend/cuda/ops.hpp).
template <class Ops_>
struct Pass {
  using Ops = Ops_;
  using A = typename Ops::Activation;         // what flows between layers
  using Parameter = typename Ops::Parameter;  // parameters, gradients and state
  using Compute = typename Ops::Compute;      // what an activation is converted to for arithmetic
  int batch;
  Shape in, out;  // of one sample
  const A* x;     // (N, in)
  A* y;           // (N, out)
  const A* dy;    // (N, out)
  A* dx;          // (N, in); null if no layer before this one has parameters
  const Parameter* parameters;
  Parameter* gradients;
  Parameter* state;
  std::byte* saved;  // forward writes it, backward reads it
  Parameter* scratch;
  bool training;
  bool dropout;  // drop elements; a prediction may ask for it too
  typename Ops::Random random;
  Ops ops;
  // Where this batch begins in the batch of all processes; random numbers of a sample follow its place there.
  std::int64_t first_sample = 0;

  // The layer's random numbers, where each sample has so many of its own.
  [[nodiscard]] auto random_of(std::int64_t each) const {
    if constexpr (requires { random.from(std::uint64_t{}); })
      return random.from(static_cast<std::uint64_t>(first_sample * each));
    else
      return random;
  }
  [[nodiscard]] std::int64_t count_in() const { return batch * in.size(); }
  [[nodiscard]] std::int64_t count_out() const { return batch * out.size(); }
};

// A node in which branches meet, in one step. Branches are in the order of the network; if a Residual has no Shortcut, its
// input is the first branch, without a gradient of its own.
template <class Ops_>
struct JoinPass {
  using Ops = Ops_;
  using A = typename Ops::Activation;
  struct Branch {
    std::int64_t rows;  // samples times height times width
    int channels;
    const A* x;
    A* dx;  // null if nothing in this branch has parameters
  };
  std::int64_t rows;  // of the output, as is channels
  int channels;
  std::span<const Branch> branches;  // a dx may be dy
  A* y;
  const A* dy;
  Ops ops;
  bool relu = false;  // y is rectified, as the ReLU behind a sum would; only where adds_and_rectifies
};

// Whether a backend rectifies a sum in the same pass over memory.
template <class Ops>
inline constexpr bool adds_and_rectifies =
    requires(const Ops& ops, typename Ops::Activation* y) { ops.add_relu(std::int64_t{}, y, y, y); };

}  // namespace strata::inline STRATA_ABI
