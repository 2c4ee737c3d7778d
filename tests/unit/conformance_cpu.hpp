// SPDX-License-Identifier: BSL-1.0
// The CPU for the conformance table: pools of 1, 2 and 3 threads, which must agree to the bit.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <strata/backend/cpu/ops.hpp>

#include "conformance.hpp"

namespace conformance {

template <class T_>
struct OnCpu {
  using T = T_;
  using C = T_;
  using Ops = strata::cpu::Ops<T>;
  static constexpr bool gpu = false;
  template <class F>
  static void each(F&& f) {
    static std::array<strata::ThreadPool, 3> pools{strata::ThreadPool(1), strata::ThreadPool(2), strata::ThreadPool(3)};
    for (strata::ThreadPool& pool : pools) f(Ops(pool), pool.size(), std::to_string(pool.size()) + " threads");
  }
  static Random random(std::uint64_t seed, std::uint32_t layer, std::uint64_t step) {
    return {seed, Purpose::dropout, layer, step};
  }
  static std::vector<std::int64_t> lengths() { return conformance::lengths(); }
};

}  // namespace conformance
