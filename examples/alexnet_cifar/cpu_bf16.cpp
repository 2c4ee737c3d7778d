// SPDX-License-Identifier: BSL-1.0
#include <strata/cpu_bf16.hpp>

#include "cpu_bf16.hpp"
#include "training.hpp"

void alexnet_cifar::train_on_cpu_bf16(const Arguments& a, const std::string& dataset, const std::filesystem::path& folder) {
  train_on<strata::CpuBF16>(a, dataset, folder);
}
