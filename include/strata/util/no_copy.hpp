// SPDX-License-Identifier: BSL-1.0
// Bases of classes whose objects are not copied.
#pragma once
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

// Of classes that own something: a file, a thread, memory of a device.
struct NoCopy {
  NoCopy() = default;
  NoCopy(const NoCopy&) = delete;
  NoCopy& operator=(const NoCopy&) = delete;
};

// Of classes that are used and destroyed through a pointer to a base. A copy of the base alone would lose the rest.
struct Interface : NoCopy {
  virtual ~Interface() = default;
};

}  // namespace strata::inline STRATA_ABI
