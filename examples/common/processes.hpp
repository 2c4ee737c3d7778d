// SPDX-License-Identifier: BSL-1.0
// Programs that several processes may run together: options, start and end. STRATA_EXAMPLE_MPI is defined where MPI is
// linked.
#pragma once
#include <cstdio>
#include <optional>
#include <string>

#if defined(STRATA_EXAMPLE_MPI)
#include <strata/parallel.hpp>
#endif
#include <strata/training/processes.hpp>

#include "signals.hpp"

struct ProcessArguments {
  std::string by = "one", gradients = "float32", split_update = "auto";
  bool reproducible = false, synchronized_batch_norm = false;
  strata::MakeProcesses make{};  // for train() and evaluate()
  bool writes = true;            // this process writes files; the others print nothing
};

#if defined(STRATA_EXAMPLE_MPI)
inline constexpr bool has_mpi = true;
#else
inline constexpr bool has_mpi = false;
#endif

// Runs the program in each of the processes. What run() throws ends all processes.
template <class F>
void run_together([[maybe_unused]] ProcessArguments& a, F&& run) {
#if defined(STRATA_EXAMPLE_MPI)
  if (a.by == "mpi") {
    std::optional<bool> split;
    if (a.split_update != "auto") split = a.split_update == "on";
    const strata::Mpi mpi{.bfloat16 = a.gradients == "bf16",
                          .reproducible = a.reproducible,
                          .synchronized_batch_norm = a.synchronized_batch_norm,
                          .split_update = split};
    a.make = mpi, a.writes = mpi.rank() == 0;
    if (!a.writes && !std::freopen("/dev/null", "w", stdout)) std::fclose(stdout);
    bool stopped = false;  // Ctrl-C is no failure
    mpi.run([&] {
      try {
        run();
      } catch (const Interrupted&) {
        stopped = true;
      }
    });
    if (stopped) throw Interrupted{};
    return;
  }
#endif
  run();
}
