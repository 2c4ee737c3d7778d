// SPDX-License-Identifier: BSL-1.0
// Training on a GPU. Its sources are separate, so that a program without them needs no CUDA.
#pragma once
#include <filesystem>
#include <string>

#include "arguments.hpp"

namespace alexnet_cifar {

void train_on_cuda_tf32(const Arguments& a, const std::string& dataset, const std::filesystem::path& folder);
void train_on_cuda_float32(const Arguments& a, const std::string& dataset, const std::filesystem::path& folder);
void train_on_cuda_bf16(const Arguments& a, const std::string& dataset, const std::filesystem::path& folder);

}  // namespace alexnet_cifar
