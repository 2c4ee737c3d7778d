// SPDX-License-Identifier: BSL-1.0
// Processes that are threads of this program, with sums in memory and in the queue of an emulated GPU.
#pragma once
#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <strata/core/bf16.hpp>
#include <strata/training/device_sums.hpp>
#include <strata/training/processes.hpp>

#include "gpu_emulated.hpp"

namespace emulated {

// Those that work together.
class Crowd {
 public:
  explicit Crowd(int size) : size_(size), own_(static_cast<std::size_t>(size)) {}
  [[nodiscard]] int size() const { return size_; }

  // The bytes of all, once all have called this.
  std::vector<std::string> exchange(int rank, std::string own) {
    std::unique_lock lock(mutex_);
    throw_if_failed();
    own_[static_cast<std::size_t>(rank)] = std::move(own);
    const int round = round_;
    if (++arrived_ == size_) {
      all_ = own_, arrived_ = 0, ++round_;
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return round_ != round || failed_; });
    if (round_ == round) throw_if_failed();
    return all_;
  }
  template <class T>
  void sum(int rank, std::span<T> values) {
    const std::vector<std::string> all =
        exchange(rank, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
    std::vector<T> terms(values.size());
    for (std::size_t r = 0; r < all.size(); ++r) {
      if (all[r].size() != values.size_bytes()) throw std::logic_error("sums of other numbers of numbers");
      if (!terms.empty()) std::memcpy(terms.data(), all[r].data(), all[r].size());
      for (std::size_t i = 0; i < terms.size(); ++i) {
        if constexpr (std::is_same_v<T, strata::Bf16>)
          values[i] = r == 0 ? terms[i] : T(static_cast<float>(values[i]) + static_cast<float>(terms[i]));
        else
          values[i] = r == 0 ? terms[i] : values[i] + terms[i];
      }
    }
  }
  std::string fail(int rank, const std::string& cause) {
    const std::lock_guard lock(mutex_);
    if (!failed_) cause_ = "rank " + std::to_string(rank) + ": " + cause;
    failed_ = true;
    changed_.notify_all();
    return cause_;
  }

 private:
  void throw_if_failed() const {
    if (failed_) throw strata::ProcessError(cause_);
  }
  int size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> own_, all_;
  int arrived_ = 0, round_ = 0;
  bool failed_ = false;
  std::string cause_;
};

// Sums are computed as late as they may be: in join().
class QueuedSums final : public strata::DeviceSums {
 public:
  QueuedSums(std::shared_ptr<Crowd> crowd, int rank, bool bfloat16)
      : crowd_(std::move(crowd)), rank_(rank), bfloat16_(bfloat16) {}
  void connect() override { connected = true; }
  void all_reduce(void*, void* values, std::int64_t count, strata::DeviceNumber type) override {
    if (!connected) throw std::logic_error("sums before connect()");
    ++sums;
    waiting_.emplace_back([=, this] {
      const auto n = static_cast<std::size_t>(count);
      if (type == strata::DeviceNumber::float64) return crowd_->sum(rank_, std::span(static_cast<double*>(values), n));
      if (type == strata::DeviceNumber::bfloat16)
        return crowd_->sum(rank_, std::span(static_cast<strata::Bf16*>(values), n));
      crowd_->sum(rank_, std::span(static_cast<float*>(values), n));
    });
  }
  void join(void* stream) override {
    static_cast<Device*>(stream)->call([queued = std::exchange(waiting_, {})] {
      for (const auto& sum : queued) sum();
    });
  }
  [[nodiscard]] bool bfloat16() const override { return bfloat16_; }
  void wait(const std::function<bool()>& done) override {
    if (!done()) throw std::logic_error("an emulated queue does its work at once");
  }

  bool connected = false;
  int sums = 0;  // that were queued or captured

 private:
  std::shared_ptr<Crowd> crowd_;
  int rank_;
  bool bfloat16_;
  std::vector<std::function<void()>> waiting_;
};

struct ProcessOptions {
  bool on_devices = true, bfloat16 = false, synchronized = false;
};

class ThreadProcesses final : public strata::Processes {
 public:
  ThreadProcesses(std::shared_ptr<Crowd> crowd, int rank, const ProcessOptions& options)
      : queued(crowd, rank, options.bfloat16), crowd_(std::move(crowd)), rank_(rank), options_(options) {}
  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return crowd_->size(); }
  [[nodiscard]] bool synchronizes_batch_norm() const override { return options_.synchronized; }
  void all_reduce(std::span<float> values, strata::Wire) override { crowd_->sum(rank_, values); }
  void all_reduce(std::span<double> values, strata::Wire) override { crowd_->sum(rank_, values); }
  void wait() override {}
  [[nodiscard]] strata::DeviceSums* device_sums() override { return options_.on_devices ? &queued : nullptr; }
  [[nodiscard]] std::vector<std::string> all_gather(std::string_view own) override {
    return crowd_->exchange(rank_, std::string(own));
  }
  void broadcast(std::span<std::byte> bytes) override {
    const std::string first = crowd_->exchange(rank_, {reinterpret_cast<const char*>(bytes.data()), bytes.size()})[0];
    if (!bytes.empty()) std::memcpy(bytes.data(), first.data(), bytes.size());
  }
  [[nodiscard]] strata::ProcessError failed(const std::string& cause) override {
    return strata::ProcessError(crowd_->fail(rank_, cause));
  }
  [[nodiscard]] std::string describe() const override { return "threads"; }

  QueuedSums queued;

 private:
  std::shared_ptr<Crowd> crowd_;
  int rank_;
  ProcessOptions options_;
};

// Calls f(make, rank) in so many threads and returns what it returned in each. Throws what it threw in the first that
// threw.
template <class F>
auto in_processes(int size, const ProcessOptions& options, const F& f) {
  using Result = decltype(f(strata::MakeProcesses{}, 0));
  const auto crowd = std::make_shared<Crowd>(size);
  std::vector<Result> results(static_cast<std::size_t>(size));
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(size));
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < size; ++rank)
      threads.emplace_back([&, rank] {
        const auto r = static_cast<std::size_t>(rank);
        try {
          results[r] = f([&, rank] { return std::make_shared<ThreadProcesses>(crowd, rank, options); }, rank);
        } catch (...) {
          errors[r] = std::current_exception();
        }
      });
  }
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
  return results;
}

}  // namespace emulated
