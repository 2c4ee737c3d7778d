// SPDX-License-Identifier: BSL-1.0
// Runs the GPU's own kernels: in a loop on the host in unit/, on a device in cuda/. Before including this, define
// conformance::Runner, a cuda::Run that has done its work when it returns, with Runner::orders of indices. Everything that
// kernels read and write is on the heap: a device cannot reach the stack (cuda/managed_memory.cpp).
#pragma once
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include <strata/backend/cuda/element.hpp>

#include "conformance.hpp"

namespace conformance {

namespace cuda = strata::cuda;
using cuda::Compute;

// kernel(run, pointers to the outputs) in each order; the outputs, whose bits must not depend on the order.
template <class Kernel, class... T>
std::tuple<std::vector<T>...> launch(Kernel&& kernel, const Out<T>&... outputs) {
  Runs<T...> runs(outputs...);
  for (const Runner::Order order : Runner::orders) {
    Runner run(order);
    runs.add("order " + std::to_string(order), [&](auto*... out) { kernel(run, out...); });
  }
  return runs.outputs();
}

}  // namespace conformance
