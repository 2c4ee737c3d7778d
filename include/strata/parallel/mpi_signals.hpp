// SPDX-License-Identifier: BSL-1.0
// Prints the last line of a process, also when a signal ends it: mpirun sends SIGTERM to all processes when one of them has
// died, and on Ctrl-C, and kills them a second later.
#pragma once
#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/util/system.hpp>

namespace strata::inline STRATA_ABI::detail {

inline std::atomic<bool> failure_printed{false}, signal_printed{false};
inline std::atomic<int> ended_by_signal{0};
struct EndSignal {
  int number = 0;
  char line[160] = {};
  std::size_t length = 0;
};
inline std::array<EndSignal, 2> end_signals;

// Prints the first failure of this process. One that only follows from a signal or another process is not printed after the
// signal's line.
inline void print_failure(const std::string& line, bool own) {
  if ((!own && signal_printed) || failure_printed.exchange(true)) return;
  const std::string text = line + "\n";
  os::write_error(text.data(), text.size());
}
// The signal that told this process to end; 0: none.
inline int end_signal() { return ended_by_signal.load(); }

inline void on_end_signal(const os::SignalCall& call) {
  for (EndSignal& s : end_signals) {
    if (s.number != call.number) continue;
    if (!failure_printed && !signal_printed.exchange(true)) os::write_error(s.line, s.length);
    ended_by_signal = call.number;
    if (os::had_handler(call.number))
      os::call_former_handler(call);
    else
      os::end_process_in(15);  // seconds
  }
}
// A second signal of the same kind ends the process at once. A signal that the program ignores stays ignored.
inline void watch_end_signals(int rank) {
  const int numbers[] = {SIGTERM, SIGINT};
  for (std::size_t i = 0; i < end_signals.size(); ++i) {
    EndSignal& s = end_signals[i];
    const int n = std::snprintf(s.line, sizeof s.line, "strata: rank %d: told to end by signal %d: %s\n", rank, numbers[i],
                                i == 0 ? "another process has ended, or the run was stopped" : "the run was stopped");
    s.length = static_cast<std::size_t>(n);
    s.number = numbers[i];
    os::take_signal(numbers[i], on_end_signal);  // which may be called from here on
  }
}
[[nodiscard]] inline bool program_takes_signals() { return os::had_handler(SIGTERM) || os::had_handler(SIGINT); }

}  // namespace strata::inline STRATA_ABI::detail
