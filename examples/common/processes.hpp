// SPDX-License-Identifier: BSL-1.0
// Programs that several processes may run together: options, start and end. STRATA_EXAMPLE_MPI is defined where MPI is
// linked, STRATA_EXAMPLE_NCCL where NCCL is.
#pragma once
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#if defined(STRATA_EXAMPLE_MPI)
#include <strata/parallel.hpp>
#endif
#if defined(STRATA_EXAMPLE_NCCL)
#include <strata/nccl.hpp>
#endif
#include <strata/training/processes.hpp>

#include "signals.hpp"

struct ProcessArguments {
  std::string by = "one", gradients = "float32", split_update = "auto";
  bool reproducible = false, synchronized_batch_norm = false;
  strata::MakeProcesses make{};  // for train() and evaluate()
  bool writes = true;            // this process writes files; the others print nothing
  int gpu = -1;                  // with nccl: the number of this process's GPU
};

#if defined(STRATA_EXAMPLE_MPI)
inline constexpr bool has_mpi = true;
#else
inline constexpr bool has_mpi = false;
#endif
#if defined(STRATA_EXAMPLE_NCCL)
inline constexpr bool has_nccl = true;
#else
inline constexpr bool has_nccl = false;
#endif

// All: Mpi or Nccl.
template <class All, class F>
void run_in_each(const All& all, ProcessArguments& a, F&& run) {
  a.make = all, a.writes = all.rank() == 0;
  if (!a.writes && !std::freopen("/dev/null", "w", stdout)) std::fclose(stdout);
  bool stopped = false;  // Ctrl-C is no failure
  all.run([&] {
    try {
      run();
    } catch (const Interrupted&) {
      stopped = true;
    }
  });
  if (stopped) throw Interrupted{};
}

// Runs the program in each of the processes. What run() throws ends all processes.
template <class F>
void run_together([[maybe_unused]] ProcessArguments& a, F&& run) {
#if defined(STRATA_EXAMPLE_MPI)
  if (a.by == "mpi") {
    std::optional<bool> split;
    if (a.split_update != "auto") split = a.split_update == "on";
    return run_in_each(strata::Mpi{.bfloat16 = a.gradients == "bf16",
                                   .reproducible = a.reproducible,
                                   .synchronized_batch_norm = a.synchronized_batch_norm,
                                   .split_update = split},
                       a, std::forward<F>(run));
  }
#endif
#if defined(STRATA_EXAMPLE_NCCL)
  if (a.by == "nccl") {
    const strata::Nccl nccl{.bfloat16 = a.gradients == "bf16"};
    a.gpu = nccl.device();
    return run_in_each(nccl, a, std::forward<F>(run));
  }
#endif
  run();
}
