// SPDX-License-Identifier: BSL-1.0
// Notices calls of one object from two threads at once, or from within each other.
#pragma once
#include <atomic>
#include <stdexcept>

#include <strata/core/linkage.hpp>
#include <strata/util/fork.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI::detail {

// Marks an object as busy for as long as it lives, unless the object is busy already. The flag is 0, or 1 + forks() during
// a call: a value from before a fork belongs to a call that this process does not have.
class Entry : NoCopy {
 public:
  explicit Entry(std::atomic<unsigned>& busy) : busy_(busy) {
    const unsigned now = 1 + forks();
    entered_ = busy_.exchange(now, std::memory_order_acquire) != now;
  }
  ~Entry() {
    if (entered_) busy_.store(0, std::memory_order_release);
  }
  [[nodiscard]] bool entered() const { return entered_; }

 private:
  std::atomic<unsigned>& busy_;
  bool entered_;
};

// The same; throws std::logic_error with `message` if the object is busy already.
class Busy : NoCopy {
 public:
  Busy(std::atomic<unsigned>& busy, const char* message) : entry_(busy) {
    if (!entry_.entered()) throw std::logic_error(message);
  }

 private:
  Entry entry_;
};

}  // namespace strata::inline STRATA_ABI::detail
