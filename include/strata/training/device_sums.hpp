// SPDX-License-Identifier: BSL-1.0
// Sums over processes that a device computes in its queue. Training knows no library that does this: parallel/nccl.hpp has
// one.
#pragma once
#include <cstdint>
#include <functional>

#include <strata/core/linkage.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI {

enum class DeviceNumber { float32, float64, bfloat16 };

// All processes make the same calls in the same order.
class DeviceSums : public Interface {
 public:
  // Connects the devices on which the calling threads work now. Comes before the sums.
  virtual void connect() = 0;
  // Replaces numbers in the device's memory by their sums over all processes, the same bits everywhere, after the work that
  // is on the stream by now. Work that is queued there after join() finds the sums. Both are queued and may be captured.
  virtual void all_reduce(void* stream, void* values, std::int64_t count, DeviceNumber type) = 0;
  virtual void join(void* stream) = 0;
  // Whether gradients are sent as bfloat16.
  [[nodiscard]] virtual bool bfloat16() const { return false; }
  // Returns when done() does. Throws ProcessError if a process fails before that; from then on the queue waits for nobody.
  virtual void wait(const std::function<bool()>& done) = 0;
};

}  // namespace strata::inline STRATA_ABI
