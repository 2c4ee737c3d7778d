// SPDX-License-Identifier: BSL-1.0
// One precision for each source, so that they compile side by side.
#include "cuda_jobs.hpp"

template struct bench::Jobs<strata::cuda::TF32>;
