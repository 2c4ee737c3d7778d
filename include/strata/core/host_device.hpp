// SPDX-License-Identifier: BSL-1.0
// STRATA_HOST_DEVICE marks functions that kernels of the processor and of a GPU share.
#pragma once

#if defined(__CUDACC__)
#define STRATA_HOST_DEVICE __host__ __device__
#else
#define STRATA_HOST_DEVICE
#endif
