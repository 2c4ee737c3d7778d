// SPDX-License-Identifier: BSL-1.0
// Eigen. In a .cu file only for the host: otherwise nvcc 13 prints warnings for each of its functions, before any error
// about a network. To use Eigen on the device too, include it before strata.
#pragma once

#if defined(__CUDACC__) && !defined(EIGEN_CORE_H) && !defined(EIGEN_NO_CUDA)
#define EIGEN_NO_CUDA
#endif
#include <Eigen/Core>
