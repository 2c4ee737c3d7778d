// SPDX-License-Identifier: BSL-1.0
// The GPU's own kernels for the conformance table, in several orders of the indices, which must agree to the bit. Include
// cuda_loop.hpp or a device's Runner first, as for cuda_elements.hpp.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <strata/backend/cuda/ops.hpp>

#include "cuda_elements.hpp"

namespace conformance {

template <class T_>
struct OnGpu {
  using T = T_;
  using C = Compute<T>;
  struct Engine {
    using Activation = T;
    using Parameter = C;
    Runner runner;
    Runner& device() { return runner; }
  };
  using Ops = cuda::Ops<Engine>;
  static constexpr bool gpu = true;
  template <class F>
  static void each(F&& f) {
    for (const Runner::Order order : Runner::orders) {
      Engine engine{Runner(order)};
      f(Ops(engine), 1, "order " + std::to_string(order));
    }
  }
  // The step stays on the heap until the program ends.
  static cuda::StepRandom random(std::uint64_t seed, std::uint32_t layer, std::uint64_t step) {
    static std::vector<std::unique_ptr<std::uint64_t>> steps;
    steps.push_back(std::make_unique<std::uint64_t>(step));
    return {seed, layer, steps.back().get()};
  }
  static std::vector<std::int64_t> lengths() { return {1, 2, 3, 4, 5, 31, 1000, 16385}; }
};

}  // namespace conformance
