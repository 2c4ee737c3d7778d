// SPDX-License-Identifier: BSL-1.0
// Notices calls of one object from two threads at once, or from within each other.
#pragma once
#include <atomic>
#include <stdexcept>

namespace strata::detail {

// Marks an object as busy for as long as it lives. Throws std::logic_error with `message` if it is busy already.
class Busy {
 public:
  Busy(std::atomic<bool>& busy, const char* message) : busy_(busy) {
    if (busy_.exchange(true, std::memory_order_acquire)) throw std::logic_error(message);
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  ~Busy() { busy_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool>& busy_;
};

}  // namespace strata::detail
