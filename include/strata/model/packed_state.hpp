// SPDX-License-Identifier: BSL-1.0
// Whether weights that a model for inference has packed are still those of its tensors.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include <strata/core/linkage.hpp>
#include <strata/util/function_ref.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI::detail {

// Shared by a model and its sessions. Whoever gets at the tensors calls suspect(); the next prediction compares a hash of
// them and packs again if they are others. Predictions of several sessions may do so at once. Saving only reads the
// tensors: the hash is the same, so that nothing is packed while other threads read.
class PackedState : NoCopy {
 public:
  void suspect() { suspicions_.fetch_add(1, std::memory_order_release); }

  // Calls pack() if the tensors, which are of a whole number of 4-byte words, or the kernels are others than the last time.
  void refresh(std::span<const std::byte> tensors, int kernels, FunctionRef<void()> pack);

 private:
  std::atomic<std::uint32_t> suspicions_{1}, settled_{0};  // all of them, and those before the last refresh
  std::atomic<int> kernels_{-1};
  std::mutex mutex_;
  std::uint64_t hash_ = 0;
};

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/model/packed_state_impl.hpp>
#endif
