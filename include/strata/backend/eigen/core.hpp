// SPDX-License-Identifier: BSL-1.0
// Eigen, and none of the warnings that nvcc 13 has for it: they would stand before every error of a network.
#pragma once

#ifdef __NVCC_DIAG_PRAGMA_SUPPORT__
#pragma nv_diagnostic push
#pragma nv_diag_suppress 20012
#endif
#include <Eigen/Core>
#ifdef __NVCC_DIAG_PRAGMA_SUPPORT__
#pragma nv_diagnostic pop
#endif
