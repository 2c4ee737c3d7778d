// SPDX-License-Identifier: BSL-1.0
// One precision a source: they compile side by side.
#include <strata/cuda.hpp>

#include "job_of.hpp"

namespace bench {

using strata::cuda::TF32;

template <>
std::unique_ptr<Job> make_job<TF32>(const Data& data, const JobSetup& setup) {
  return std::make_unique<JobOf<strata::CudaOf<TF32>>>(data, setup);
}
template <>
CheckResult check<TF32>(const Data& data, const JobSetup& setup) {
  return check_on<strata::CudaOf<TF32>>(data, setup);
}

}  // namespace bench
