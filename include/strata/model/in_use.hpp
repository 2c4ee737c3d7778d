// SPDX-License-Identifier: BSL-1.0
// Notices calls of one model from two threads at once, or from within each other.
#pragma once
#include <atomic>
#include <stdexcept>

namespace strata::detail {

// Marks a model as busy for as long as it lives.
class InUse {
 public:
  explicit InUse(std::atomic<bool>& busy) : busy_(busy) {
    if (busy_.exchange(true, std::memory_order_acquire))
      throw std::logic_error("strata: a model was called while another call of it was running; use one model per thread");
  }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;
  ~InUse() { busy_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool>& busy_;
};

}  // namespace strata::detail
