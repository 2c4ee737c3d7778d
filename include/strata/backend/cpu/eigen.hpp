// SPDX-License-Identifier: BSL-1.0
// Eigen. In a .cu file as the host's library that it is here: as the device's too, nvcc 13 prints warnings for each of its
// functions, before anything that is said of a network. Who wants Eigen on the device includes it first.
#pragma once

#if defined(__CUDACC__) && !defined(EIGEN_CORE_H) && !defined(EIGEN_NO_CUDA)
#define EIGEN_NO_CUDA
#endif
#include <Eigen/Core>
