// SPDX-License-Identifier: BSL-1.0
// Notices calls of one object from two threads at once, or from within each other.
#pragma once
#include <atomic>
#include <stdexcept>

#include <strata/util/no_copy.hpp>
#include <strata/util/threads.hpp>

namespace strata::detail {

// Marks an object as busy for as long as it lives. The flag is 0, or 1 + forks() during a call: a value from before a fork
// belongs to a call that this process does not have. Throws std::logic_error with `message` if the object is busy already.
class Busy : NoCopy {
 public:
  Busy(std::atomic<unsigned>& busy, const char* message) : busy_(busy) {
    const unsigned now = 1 + forks();
    if (busy_.exchange(now, std::memory_order_acquire) == now) throw std::logic_error(message);
  }
  ~Busy() { busy_.store(0, std::memory_order_release); }

 private:
  std::atomic<unsigned>& busy_;
};

}  // namespace strata::detail
