// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace strata {

// The AlexNet paper's constants (section 3.3); alpha on the plain sum.
struct LrnParameters {
  int n = 5;
  double k = 2, alpha = 1e-4, beta = 0.75;
};

}  // namespace strata
