// SPDX-License-Identifier: BSL-1.0
// Training on the CPU in bfloat16, in a source of its own so that both precisions compile side by side.
#pragma once
#include <filesystem>
#include <string>

#include "arguments.hpp"

namespace alexnet_cifar {

// Throws std::runtime_error if the processor has no instructions for it.
void train_on_cpu_bf16(const Arguments& a, const std::string& dataset, const std::filesystem::path& folder);

}  // namespace alexnet_cifar
