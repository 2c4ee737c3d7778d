// SPDX-License-Identifier: BSL-1.0
// The functions of options.hpp.
#pragma once
#include <stdexcept>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/model/options.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE const ModelOptions& ModelOptions::checked() const {
  if (batch < 1) throw std::invalid_argument("strata: batch " + std::to_string(batch) + " is not at least 1");
  if (threads < 0)
    throw std::invalid_argument("strata: threads " + std::to_string(threads) + " is negative; 0 takes all processors");
  return *this;
}

}  // namespace strata::inline STRATA_ABI
