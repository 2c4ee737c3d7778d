// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <cstdint>
#include <cstdio>
#include <new>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

// A std::bad_alloc that says how much memory was asked for, and what for.
class OutOfMemory : public std::bad_alloc {
 public:
  OutOfMemory(std::int64_t bytes, const char* purpose) : bytes_(bytes) {
    std::snprintf(what_, sizeof what_, "strata: the system cannot provide %lld bytes (%.1f GB) for %s",
                  static_cast<long long>(bytes), static_cast<double>(bytes) * 1e-9, purpose);
  }
  [[nodiscard]] const char* what() const noexcept override { return what_; }
  [[nodiscard]] std::int64_t bytes() const noexcept { return bytes_; }

 private:
  std::int64_t bytes_;
  char what_[160];
};

}  // namespace strata::inline STRATA_ABI
