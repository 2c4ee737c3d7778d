// SPDX-License-Identifier: BSL-1.0
#pragma once

// Whether operator new returns managed memory in this thread, in a program with managed_memory.cpp.
inline constinit thread_local bool kernels_reach_heap = false;

// While it lives, the thread is in calls of CUDA: CUDA, and tools that watch it, allocate memory of their own.
class CallsCuda {
 public:
  CallsCuda() { kernels_reach_heap = false; }
  CallsCuda(const CallsCuda&) = delete;
  CallsCuda& operator=(const CallsCuda&) = delete;
  ~CallsCuda() { kernels_reach_heap = before_; }

 private:
  bool before_ = kernels_reach_heap;
};
