// SPDX-License-Identifier: BSL-1.0
#pragma once

// Whether operator new gives this thread memory that kernels reach, in a program with managed_memory.cpp.
inline constinit thread_local bool kernels_reach_heap = false;

// For as long as it lives the thread is in calls of CUDA, which allocates for itself, as tools do that watch it.
class CallsCuda {
 public:
  CallsCuda() { kernels_reach_heap = false; }
  CallsCuda(const CallsCuda&) = delete;
  CallsCuda& operator=(const CallsCuda&) = delete;
  ~CallsCuda() { kernels_reach_heap = before_; }

 private:
  bool before_ = kernels_reach_heap;
};
