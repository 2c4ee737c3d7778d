// SPDX-License-Identifier: BSL-1.0
// Ends a program on Ctrl-C without leaving partial output.
#pragma once
#include <signal.h>

#include <csignal>

struct Interrupted {};
inline volatile std::sig_atomic_t interrupted = 0;

// The first SIGINT or SIGTERM takes effect at the next step; a second one of the same kind ends the program at once.
inline void watch_signals() {
  struct sigaction action{};
  action.sa_handler = [](int) { interrupted = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}
inline bool was_interrupted() { return interrupted != 0; }
inline void check_interrupted() {
  if (was_interrupted()) throw Interrupted{};
}
