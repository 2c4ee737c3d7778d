// SPDX-License-Identifier: BSL-1.0
// The Cuda backend, for CUDA sources (.cu): Model<AlexNet, Cuda>, and all of strata.hpp. Link strata::cuda.
#pragma once

#include <strata/core/linkage.hpp>
#include <strata/strata.hpp>

#include <strata/backend/cuda/engine.hpp>
#include <strata/backend/cuda/steps.hpp>

namespace strata::inline STRATA_ABI {

// Precision: cuda::TF32, cuda::Float32 or cuda::BFloat16.
template <class Precision>
using CudaOf = GpuOf<Precision, CudaEngine>;
using Cuda = CudaOf<cuda::TF32>;

}  // namespace strata::inline STRATA_ABI
