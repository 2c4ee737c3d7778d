// SPDX-License-Identifier: BSL-1.0
// One precision a source: they compile side by side.
#include <strata/cuda.hpp>

#include "job_of.hpp"

namespace bench {

using strata::cuda::BFloat16;

template <>
std::unique_ptr<Job> make_job<BFloat16>(const Data& data, const JobSetup& setup) {
  return std::make_unique<JobOf<strata::CudaOf<BFloat16>>>(data, setup);
}
template <>
CheckResult check<BFloat16>(const Data& data, const JobSetup& setup) {
  return check_on<strata::CudaOf<BFloat16>>(data, setup);
}

}  // namespace bench
