// SPDX-License-Identifier: BSL-1.0
// On a device: plans, graphs, streams and all.
#include <strata/cuda.hpp>

template <class Precision>
using Gpu = strata::CudaOf<Precision>;
inline constexpr double gpu_rounding = 10;  // sums in other orders, products fused into sums

#include "../unit/gpu_model.hpp"
