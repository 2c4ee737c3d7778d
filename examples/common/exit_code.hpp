// SPDX-License-Identifier: BSL-1.0
// The end of a program: its exit code, and why it failed.
#pragma once
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include <strata/training/processes.hpp>

#include "signals.hpp"

// Runs the program and returns 0, 1 after a failure, or 130 after Ctrl-C. stopped, out_of_memory: what is said then.
template <class F>
int exit_code(const char* program, F&& run, const std::string& stopped, const std::string& out_of_memory) {
  watch_signals();
  try {
    run();
    return 0;
  } catch (const Interrupted&) {
    std::fprintf(stderr, "%s: stopped by a signal; %s\n", program, stopped.c_str());
    return 130;
  } catch (const strata::ProcessError&) {  // it has been printed
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "%s: %s\n", program, out_of_memory.c_str());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", program, e.what());
  }
  return 1;
}
