// SPDX-License-Identifier: BSL-1.0
// Mpi: the processes that mpirun (or Slurm) has started.
#pragma once
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/parallel/mpi_processes.hpp>
#include <strata/parallel/mpi_world.hpp>
#include <strata/training/processes.hpp>

namespace strata::inline STRATA_ABI {

// A MakeProcesses for TrainOptions::processes. The first use of any Mpi starts MPI, and the end of the program ends it.
// From then on a thread of strata calls MPI. Call MPI yourself only if you have started it with MPI_THREAD_MULTIPLE;
// strata's thread ends in your MPI_Finalize. A program that was not started by mpirun is one process, and says so on
// stderr.
//   const Mpi mpi{};
//   Model<Net> model{{.batch = 128}};
//   train(model, data, loss, optimizer, {.processes = mpi});
//   if (mpi.rank() == 0) save_weights(model, "weights.safetensors");
struct Mpi {
  // Gradients are sent as bfloat16: half the bytes. Each sum is computed in float32 and rounded once.
  bool bfloat16 = false;
  // The same bits with 1, 2, 4, ... processes, at most `parts`: each batch is computed in so many parts, whose gradients
  // are summed in a fixed order, with BatchNorm's statistics of each part. `parts` is a power of two, and so is the number
  // of processes. All processes need the same kernels (STRATA_KERNELS), as they do anyway.
  bool reproducible = false;
  int parts = 4;
  // BatchNorm takes the statistics of the whole batch instead of each process's share. Each such layer then waits for the
  // sums of all processes three times a step. Not with `reproducible`, which computes parts one after the other.
  bool synchronized_batch_norm = false;
  // Each process updates a part of the parameters, and all get the new ones, in place of the sums of all gradients. The
  // bits are the same. Without a value, train() does so if all processes are on one machine and bfloat16 is false. A
  // Trainer of your own does so if it is true; see Trainer::gather_memory().
  std::optional<bool> split_update{};
  // Seconds to wait for other processes before this one fails. Allow for the slowest checkpoint.
  double timeout = 600;

  [[nodiscard]] int rank() const { return detail::MpiWorld::get().rank(); }
  [[nodiscard]] int size() const { return detail::MpiWorld::get().size(); }
  // The processors of this process, divided by the processes of this machine that may use the same ones. From the first
  // use of Mpi on, `.threads = 0` and `.loader_threads = 0` mean no more than these.
  [[nodiscard]] int threads() const { return detail::MpiWorld::get().threads(); }
  // Ends all processes because of an error outside of train(): prints "strata: rank R: cause" and returns what to throw.
  [[nodiscard]] ProcessError failed(const std::string& cause) const { return detail::MpiWorld::get().failed(cause); }
  // Runs f, and returns what it returns. If it throws in one process, all end, as train() does. One process alone throws
  // what f throws.
  template <class F>
  decltype(auto) run(F&& f) const {
    return detail::together((*this)().get(), std::forward<F>(f));
  }

  // Throws std::invalid_argument for options out of range and a number of processes that they do not allow.
  std::shared_ptr<Processes> operator()() const {
    const auto power = [](int n) { return n > 0 && (n & (n - 1)) == 0; };
    if (reproducible && bfloat16)
      throw std::invalid_argument("strata: reproducible sums are in float32; leave out bfloat16");
    if (reproducible && (!power(parts) || !power(size()) || size() > parts))
      throw std::invalid_argument("strata: " + std::to_string(size()) + " processes compute each batch in " +
                                  std::to_string(parts) +
                                  " parts; a reproducible run needs powers of two, and a part for each process at least");
    if (reproducible && synchronized_batch_norm)
      throw std::invalid_argument(
          "strata: a reproducible run computes BatchNorm's statistics of each part; leave out synchronized_batch_norm");
    if (!(timeout > 0)) throw std::invalid_argument("strata: the timeout of Mpi is not above 0 seconds");
    return std::make_shared<detail::MpiProcesses>(detail::MpiOptions{.bfloat16 = bfloat16,
                                                                     .reproducible = reproducible,
                                                                     .synchronized_batch_norm = synchronized_batch_norm,
                                                                     .split_update = split_update,
                                                                     .parts = reproducible ? parts : size(),
                                                                     .timeout = timeout});
  }
};

}  // namespace strata::inline STRATA_ABI
