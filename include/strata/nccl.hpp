// SPDX-License-Identifier: BSL-1.0
// Training one model on several GPUs, one GPU a process. The CMake target strata::nccl links NCCL and MPI;
// docs/several-machines.md says how to start and what to expect.
//   train(model, data, loss, optimizer, {.epochs = 10, .processes = Nccl{}});
#pragma once
#include <strata/core/errors.hpp>

#include <strata/parallel.hpp>
#include <strata/parallel/nccl.hpp>
