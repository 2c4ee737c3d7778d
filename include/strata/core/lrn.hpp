// SPDX-License-Identifier: BSL-1.0
// The numbers of a local response normalization, for layers and kernels.
#pragma once

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

// The defaults are those of the AlexNet paper (section 3.3). alpha multiplies the sum, not the mean, of the squares.
struct LrnParameters {
  int n = 5;
  double k = 2, alpha = 1e-4, beta = 0.75;
};

}  // namespace strata::inline STRATA_ABI
