// SPDX-License-Identifier: BSL-1.0
// The jobs on the Cuda backend.
#pragma once
#include <strata/cuda.hpp>

#include "job_of.hpp"

namespace bench {

template <class Precision>
std::unique_ptr<Job> Jobs<Precision>::make(const Data& data, const JobSetup& setup) {
  return std::make_unique<JobOf<strata::CudaOf<Precision>>>(data, setup);
}
template <class Precision>
CheckResult Jobs<Precision>::check(const Data& data, const JobSetup& setup) {
  return check_on<strata::CudaOf<Precision>>(data, setup);
}

}  // namespace bench
