// SPDX-License-Identifier: BSL-1.0
// A pool of persistent threads. A call allocates nothing. It returns when its tasks are done; the caller never waits for
// workers that the system wakes too late to take a task.
//
// Several threads, and several models, may share a pool: a call that finds the pool at work, also one from inside a task,
// does all its tasks itself instead of waiting.
//
// After fork() the child can use and destroy the pools of its parent. The threads do not exist in the child; the first
// parallel_for there starts new ones. fork() must not be called inside a task.
#pragma once
#include <memory>
#include <type_traits>

#include <strata/core/linkage.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI {

class ThreadPool : NoCopy {
 public:
  // 0: one thread for each processor that this process may use, by its affinity and by the CPU quota of its cgroup, rounded
  // up. The caller is one of the threads, so a pool of one starts none. Throws std::system_error if the threads cannot be
  // started.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();

  [[nodiscard]] int size() const { return size_; }

  // Calls f(task, worker) once for each task in [0, tasks), worker in [0, size()), and returns when all are done. No two
  // tasks of a call run at once with the same worker, so worker may index scratch of the caller's own. In a task subnormal
  // numbers are zeros. Results must not
  // depend on which worker gets which task. After an exception, tasks that have not begun are dropped and the first
  // exception is rethrown here. The first call after fork() starts threads and throws std::system_error if it cannot.
  template <class F>
  void parallel_for(int tasks, F&& f) {
    using Function = std::remove_reference_t<F>;
    run(
        tasks, [](void* context, int task, int worker) { (*static_cast<Function*>(context))(task, worker); },
        const_cast<void*>(static_cast<const void*>(std::addressof(f))));
  }

 private:
  using Call = void (*)(void* context, int task, int worker);
  struct State;

  void run(int tasks, Call call, void* context);

  int size_;
  std::unique_ptr<State> state_;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/util/thread_pool_impl.hpp>
#endif
