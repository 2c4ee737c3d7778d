// SPDX-License-Identifier: BSL-1.0
// Training by several processes. The CMake target strata::mpi links the library of MPI; docs/several-machines.md says how
// to start and what to expect.
//   train(model, data, loss, optimizer, {.epochs = 10, .processes = Mpi{}});
#pragma once
#include <strata/core/errors.hpp>

#include <strata/parallel/mpi.hpp>
