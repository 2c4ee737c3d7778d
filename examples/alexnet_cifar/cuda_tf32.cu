// SPDX-License-Identifier: BSL-1.0
#include <strata/cuda.hpp>

#include "cuda.hpp"
#include "training.hpp"

void alexnet_cifar::train_on_cuda_tf32(const Arguments& a, const std::string& dataset,
                                       const std::filesystem::path& folder) {
  train_on<strata::CudaOf<strata::cuda::TF32>>(a, dataset, folder);
}
