// SPDX-License-Identifier: BSL-1.0
// The base of classes whose objects are used through pointers or references to a base class.
#pragma once

namespace strata {

// Destroyed through the base, and never copied: a copy of the base alone would lose the rest.
struct Interface {
  Interface() = default;
  Interface(const Interface&) = delete;
  Interface& operator=(const Interface&) = delete;
  virtual ~Interface() = default;
};

}  // namespace strata
