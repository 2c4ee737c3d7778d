// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/util/busy.hpp>
#include <strata/util/flush_subnormals.hpp>
#include <strata/util/fork.hpp>
#include <strata/util/processors.hpp>
#include <strata/util/thread_pool.hpp>
#include <strata/util/threads.hpp>
#include <strata/util/wait_for_change.hpp>

namespace strata::inline STRATA_ABI {

struct ThreadPool::State {
  // Workers look for the next call, and the caller for the last worker, for some tens of microseconds (with the pauses
  // below) before they sleep: layers follow each other closely, and waking a thread takes as long as a small layer does.
  static constexpr int kSpins = 2000;
  // gate_: kOpen while there may be tasks left, plus kInside for each worker that reads the fields of the call. The fields
  // change only while it is 0, so a worker that wakes late finds either a closed gate or a newer, complete call.
  static constexpr int kOpen = 1, kInside = 2;

  // A worker's tasks are neighbours, and the same in calls of the same size, so that it finds what it wrote in its cache.
  // When it has none left, it takes those of the next worker.
  struct alignas(64) Share {
    std::atomic<int> next{0};
    int end = 0;
  };

  explicit State(int size) : size_(size), shares_(std::make_unique<Share[]>(static_cast<std::size_t>(size))) { start(); }
  ~State() { stop(); }

  static void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb");  // some tens of cycles; `yield` does nothing on most processors
#endif
  }

  void run(int tasks, Call call, void* context) {
    if (forks_ != detail::forks()) restart();
    call_ = call;
    context_ = context;
    for (int worker = 0; worker < size_; ++worker) {
      share(worker).next.store(first_of(worker, tasks), std::memory_order_relaxed);
      share(worker).end = first_of(worker + 1, tasks);
    }
    gate_.store(kOpen, std::memory_order_release);
    round_.fetch_add(1);
    next_call_.notify(round_);
    take(0);
    gate_.fetch_and(~kOpen, std::memory_order_acq_rel);
    for (int spins = 0, inside; (inside = gate_.load(std::memory_order_acquire)) != 0;) {
      if (++spins < kSpins)
        pause();
      else
        last_worker_.wait(gate_, inside);
    }
    if (failed_.load(std::memory_order_relaxed)) {
      failed_.store(false, std::memory_order_relaxed);
      std::rethrow_exception(std::exchange(error_, nullptr));
    }
  }

  void take(int worker) {
    try {
      for (int i = 0; i < size_; ++i) {
        Share& of = share((worker + i) % size_);
        // Reading is cheap where many workers look for the last tasks.
        if (of.next.load(std::memory_order_relaxed) >= of.end) continue;
        for (int task; (task = of.next.fetch_add(1, std::memory_order_relaxed)) < of.end;) call_(context_, task, worker);
      }
    } catch (...) {
      if (!failed_.exchange(true, std::memory_order_relaxed)) error_ = std::current_exception();
      for (int i = 0; i < size_; ++i) share(i).next.store(share(i).end, std::memory_order_relaxed);
    }
  }
  Share& share(int worker) { return shares_[static_cast<std::size_t>(worker)]; }
  [[nodiscard]] int first_of(int worker, int tasks) const { return static_cast<int>(std::int64_t{tasks} * worker / size_); }

  void work(int worker) {
    const detail::FlushSubnormals flush;
    for (unsigned seen = 0;;) {
      unsigned now = round_.load(std::memory_order_acquire);
      for (int spins = 0; now == seen; now = round_.load(std::memory_order_acquire)) {
        if (++spins < kSpins)
          pause();
        else
          next_call_.wait(round_, seen);
      }
      seen = now;
      if (stop_.load(std::memory_order_relaxed)) return;
      int gate = gate_.load(std::memory_order_relaxed);
      while ((gate & kOpen) && !gate_.compare_exchange_weak(gate, gate + kInside, std::memory_order_acquire)) {
      }
      if (!(gate & kOpen)) continue;
      take(worker);
      if (gate_.fetch_sub(kInside, std::memory_order_acq_rel) == kInside) last_worker_.notify(gate_);
    }
  }

  void start() {
    forks_ = detail::forks();
    try {
      detail::start_threads(workers_, size_, 1, [this](int worker) { work(worker); });
    } catch (...) {
      stop();
      stop_.store(false, std::memory_order_relaxed);
      throw;
    }
  }
  // In a child after fork().
  void restart() {
    detail::forget_threads(workers_);
    gate_.store(0, std::memory_order_relaxed);  // the parent may have been within a call
    failed_.store(false, std::memory_order_relaxed);
    error_ = nullptr;
    try {
      start();
    } catch (...) {
      --forks_;  // the next call tries again
      throw;
    }
  }

  void stop() {
    if (forks_ != detail::forks()) return detail::forget_threads(workers_);
    stop_.store(true, std::memory_order_relaxed);
    round_.fetch_add(1);
    next_call_.notify(round_);
    for (std::thread& thread : workers_) thread.join();
    workers_.clear();
  }

  int size_;
  unsigned forks_ = 0;  // detail::forks() when the workers were started
  std::vector<std::thread> workers_;
  Call call_ = nullptr;
  void* context_ = nullptr;
  std::unique_ptr<Share[]> shares_;
  std::exception_ptr error_;
  std::atomic<bool> failed_{false}, stop_{false};
  std::atomic<unsigned> busy_{0};
  alignas(64) std::atomic<int> gate_{0};
  alignas(64) std::atomic<unsigned> round_{0};
  detail::WaitForChange<int> last_worker_;
  detail::WaitForChange<unsigned> next_call_;
};

STRATA_DEFINE ThreadPool::ThreadPool(int threads)
    : size_(threads > 0 ? threads : detail::usable_processors()), state_(std::make_unique<State>(size_)) {}
STRATA_DEFINE ThreadPool::~ThreadPool() = default;

STRATA_DEFINE void ThreadPool::run(int tasks, Call call, void* context) {
  const detail::FlushSubnormals flush;
  if (size_ > 1 && tasks > 1) {
    if (const detail::Entry entry(state_->busy_); entry.entered()) return state_->run(tasks, call, context);
  }
  for (int task = 0; task < tasks; ++task) call(context, task, 0);
}

}  // namespace strata::inline STRATA_ABI
