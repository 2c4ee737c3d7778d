// SPDX-License-Identifier: BSL-1.0
// One precision a source: they compile side by side.
#include <strata/cuda.hpp>

#include "job_of.hpp"

namespace bench {

using strata::cuda::Float32;

template <>
std::unique_ptr<Job> make_job<Float32>(const Data& data, const JobSetup& setup) {
  return std::make_unique<JobOf<strata::CudaOf<Float32>>>(data, setup);
}
template <>
CheckResult check<Float32>(const Data& data, const JobSetup& setup) {
  return check_on<strata::CudaOf<Float32>>(data, setup);
}

}  // namespace bench
