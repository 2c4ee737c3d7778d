// SPDX-License-Identifier: BSL-1.0
// Nccl: the processes that mpirun (or Slurm) has started, each with a GPU.
#pragma once
#include <cuda_runtime_api.h>

#include <memory>
#include <string>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/parallel/mpi.hpp>
#include <strata/parallel/mpi_world.hpp>
#include <strata/parallel/nccl_processes.hpp>
#include <strata/training/processes.hpp>

namespace strata::inline STRATA_ABI {

// A MakeProcesses for TrainOptions::processes. NCCL sums gradients from GPU to GPU, in the captured graph of a step, while
// the gradients of earlier layers are computed. Everything else is said by MPI, as with Mpi, of which the same holds. One
// GPU a process; one process alone takes part in its own sums. A model on the CPU is trained as with Mpi.
//   const Nccl nccl{};
//   Model<Net, Cuda> model{{.batch = 1024, .device = nccl.device()}};
//   train(model, data, loss, optimizer, {.processes = nccl});
struct Nccl {
  // Gradients are sent as bfloat16: half the bytes. NCCL rounds after each addition.
  bool bfloat16 = false;
  // Seconds to wait for other processes before this one fails. Allow for the slowest checkpoint.
  double timeout = 600;

  [[nodiscard]] int rank() const { return mpi().rank(); }
  [[nodiscard]] int size() const { return mpi().size(); }
  [[nodiscard]] int threads() const { return mpi().threads(); }
  // Among the processes of this machine, from 0.
  [[nodiscard]] int local_rank() const { return detail::MpiWorld::get().local_rank(); }
  // The GPU for this process: the one whose number is local_rank(), or 0 if this process sees one GPU alone.
  [[nodiscard]] int device() const {
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess) static_cast<void>(cudaGetLastError());  // a model says what is wrong
    return count > 0 ? local_rank() % count : 0;
  }
  [[nodiscard]] ProcessError failed(const std::string& cause) const { return mpi().failed(cause); }
  template <class F>
  decltype(auto) run(F&& f) const {
    return mpi().run(std::forward<F>(f));
  }

  // Throws std::invalid_argument for a timeout that is not above 0.
  std::shared_ptr<Processes> operator()() const {
    return std::make_shared<detail::NcclProcesses>(mpi()(), bfloat16, timeout);
  }

 private:
  [[nodiscard]] Mpi mpi() const { return {.bfloat16 = bfloat16, .timeout = timeout}; }
};

}  // namespace strata::inline STRATA_ABI
