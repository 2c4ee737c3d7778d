// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <atomic>

#include <strata/core/linkage.hpp>
#include <strata/util/fork.hpp>
#include <strata/util/system.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE std::atomic<unsigned>& fork_count() {
  static std::atomic<unsigned> count{0};
  return count;
}

STRATA_DEFINE unsigned forks() {
  [[maybe_unused]] static const bool once = [] {
    os::on_fork([] { fork_count().fetch_add(1, std::memory_order_relaxed); });
    return true;
  }();
  return fork_count().load(std::memory_order_relaxed);
}

}  // namespace strata::inline STRATA_ABI::detail
