// SPDX-License-Identifier: BSL-1.0
// An atomic number whose change threads wait for asleep.
#pragma once
#include <atomic>
#if !defined(__linux__)
#include <condition_variable>
#include <mutex>
#endif

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

// notify() follows a change of the number. Where the system cannot wait for a number itself, the std::atomic of g++ 12
// loses a notification that comes between its look at the number and its sleep (seen on Windows); this one does not.
template <class T>
class WaitForChange {
 public:
#if defined(__linux__)
  void wait(const std::atomic<T>& number, T old) { number.wait(old, std::memory_order_acquire); }
  void notify(std::atomic<T>& number) { number.notify_all(); }
#else
  void wait(const std::atomic<T>& number, T old) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return number.load(std::memory_order_acquire) != old; });
  }
  void notify(std::atomic<T>&) {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
#endif
};

}  // namespace strata::inline STRATA_ABI::detail
