// SPDX-License-Identifier: BSL-1.0
// Threads that stay: fork and join without allocating, so that a training step can.
#pragma once
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace strata {

class ThreadPool {
 public:
  // 0 takes all cores. The caller is one of the threads, so a pool of one starts none.
  explicit ThreadPool(int threads = 0) {
    if (threads <= 0) threads = static_cast<int>(std::thread::hardware_concurrency());
    if (threads <= 0) threads = 1;
    size_ = threads;
    workers_.reserve(static_cast<std::size_t>(threads - 1));
    for (int worker = 1; worker < threads; ++worker) workers_.emplace_back([this, worker] { work(worker); });
  }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool() {
    stop_ = true;
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    for (std::thread& t : workers_) t.join();
  }

  [[nodiscard]] int size() const { return size_; }

  // Calls f(task, worker) once for each task in [0, tasks), worker in [0, size()); returns when all are done. Rethrows the
  // first exception. Which worker gets which task is chance: results must not depend on it.
  template <class F>
  void parallel_for(int tasks, F&& f) {
    if (tasks <= 0) return;
    if (size_ == 1 || tasks == 1) {
      for (int task = 0; task < tasks; ++task) f(task, 0);
      return;
    }
    using Function = std::remove_reference_t<F>;
    call_ = [](void* context, int task, int worker) { (*static_cast<Function*>(context))(task, worker); };
    context_ = const_cast<void*>(static_cast<const void*>(&f));
    tasks_ = tasks;
    next_.store(0, std::memory_order_relaxed);
    running_.store(size_ - 1, std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    take(0);
    for (int left = running_.load(std::memory_order_acquire), spins = 0; left != 0;
         left = running_.load(std::memory_order_acquire)) {
      if (++spins > kSpins) running_.wait(left, std::memory_order_acquire);
    }
    if (error_) {
      std::exception_ptr error = nullptr;
      std::swap(error, error_);
      std::rethrow_exception(error);
    }
  }

 private:
  // A few microseconds of looking before sleeping: layers follow each other closely.
  static constexpr int kSpins = 2000;

  void take(int worker) {
    try {
      for (int task = next_.fetch_add(1, std::memory_order_relaxed); task < tasks_;
           task = next_.fetch_add(1, std::memory_order_relaxed))
        call_(context_, task, worker);
    } catch (...) {
      next_.store(tasks_, std::memory_order_relaxed);
      const std::lock_guard<std::mutex> lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }
  void work(int worker) {
    for (unsigned seen = 0;;) {
      unsigned now = round_.load(std::memory_order_acquire);
      for (int spins = 0; now == seen; now = round_.load(std::memory_order_acquire))
        if (++spins > kSpins) round_.wait(seen, std::memory_order_acquire);
      seen = now;
      if (stop_) return;
      take(worker);
      if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_one();
    }
  }

  int size_ = 1;
  std::vector<std::thread> workers_;
  void (*call_)(void*, int, int) = nullptr;
  void* context_ = nullptr;
  int tasks_ = 0;
  bool stop_ = false;
  std::atomic<int> next_{0};
  std::atomic<int> running_{0};
  std::atomic<unsigned> round_{0};
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

}  // namespace strata
