// SPDX-License-Identifier: BSL-1.0
// MPI in this process: one thread makes all its calls, so that gradients travel while others are computed, and so that a
// process hears of the failure of another one whatever it is doing.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/parallel/mpi_call.hpp>
#include <strata/parallel/mpi_job.hpp>
#include <strata/parallel/mpi_signals.hpp>
#include <strata/training/processes.hpp>
#include <strata/util/no_copy.hpp>
#include <strata/util/processors.hpp>
#include <strata/util/system.hpp>

namespace strata::inline STRATA_ABI::detail {

class MpiWorld : NoCopy {
 public:
  // Starts MPI the first time.
  static MpiWorld& get() {
    static MpiWorld world;
    return world;
  }

  [[nodiscard]] int rank() const { return mpi_.rank; }
  [[nodiscard]] int size() const { return mpi_.size; }
  [[nodiscard]] int threads() const { return threads_; }
  [[nodiscard]] bool one_machine() const { return one_machine_; }  // has all processes
  [[nodiscard]] int local_rank() const { return local_rank_; }     // among the processes of this machine
  [[nodiscard]] int machine() const { return machine_; }           // the rank of the first of them

  // For jobs, which use them in the thread of MPI alone.
  [[nodiscard]] MpiBuffers& buffers() { return buffers_; }

  // Begins a job. What it refers to must live until wait() has returned or thrown.
  void begin(std::unique_ptr<MpiJob> job) {
    std::unique_lock lock(mutex_);
    if (failed_) leave(lock);
    if (ended_) throw std::logic_error("strata: MPI has been ended");
    given_.push_back(std::move(job));
    changed_.notify_all();
  }
  // Until all jobs are done. timeout: in seconds.
  void wait(double timeout) {
    std::unique_lock lock(mutex_);
    const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                          std::chrono::duration<double>(std::min(timeout, longest_wait)));
    waited_for_ = true;
    while (!failed_ && !(given_.empty() && under_way_ == 0))
      if (changed_.wait_until(lock, until) == std::cv_status::timeout && Clock::now() >= until) {
        char seconds[32];
        std::snprintf(seconds, sizeof seconds, "%g", timeout);
        fail(std::string("the other processes have not answered for ") + seconds + " s");
      }
    waited_for_ = false;
    if (failed_) leave(lock);
  }
  void run(std::unique_ptr<MpiJob> job, double timeout) {
    begin(std::move(job));
    wait(timeout);
  }
  // Tells the others and waits until they know, for some seconds at most.
  ProcessError failed(const std::string& cause) {
    std::unique_lock lock(mutex_);
    if (failed_)
      print_failure(line_of(cause), true);  // if only a signal's line is there
    else
      fail(cause, true);
    changed_.wait(lock, [this] { return ended_ || size() == 1; });
    return ProcessError(line_);
  }
  // f is called by the thread of MPI, or in one process alone never, when a process has failed and the others have been
  // told. It must not wait for the caller's thread. forget(owner) ends that.
  void at_failure(const void* owner, std::function<void()> f) {
    std::unique_lock lock(mutex_);
    if (failed_) leave(lock);
    at_failure_.emplace_back(owner, std::move(f));
  }
  void forget(const void* owner) {
    const std::lock_guard lock(mutex_);
    std::erase_if(at_failure_, [owner](const auto& f) { return f.first == owner; });
  }

 private:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::seconds;
  // A process that fails waits so long for the answers of the others. They go on so long after a signal, to end in order,
  // and so long after another process has ended its program, since messages may be under way.
  static constexpr Seconds farewell{5}, grace{3};
  static constexpr int failure_tag = 1, end_tag = 2;
  static constexpr std::size_t longest_text = 1000;
  static constexpr double longest_wait = 1e9;  // seconds; more would not fit into the clock

  MpiWorld() {
    int running = 0, level = MPI_THREAD_SINGLE;
    MPI_Initialized(&running);
    if (running) {
      MPI_Query_thread(&level);
    } else {
      mpi_call(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level), "starting");
      own_ = true;
    }
    mpi_call(MPI_Comm_rank(MPI_COMM_WORLD, &mpi_.rank), "rank");
    mpi_call(MPI_Comm_size(MPI_COMM_WORLD, &mpi_.size), "size");
    if (size() == 1) {
      threads_ = usable_processors();
      std::fprintf(stderr, "strata: one process: the program was not started by mpirun, or for one process alone\n");
      return;
    }
    if (level < MPI_THREAD_SERIALIZED)
      throw std::runtime_error("strata: this MPI does not let a thread of strata call it (MPI_THREAD_SERIALIZED)");
    for (MPI_Comm* communicator : communicators()) {
      mpi_call(MPI_Comm_dup(MPI_COMM_WORLD, communicator), "starting");
      MPI_Comm_set_errhandler(*communicator, MPI_ERRORS_RETURN);
    }
    threads_ = share_of_processors();
    processor_limit = threads_;
    heard_.resize(static_cast<std::size_t>(size()));
    heard_[static_cast<std::size_t>(rank())] = true;
    watch_end_signals(rank());
    // MPI_Finalize calls this first, whoever calls MPI_Finalize.
    const auto end_first = [](MPI_Comm, int, void* world, void*) {
      static_cast<MpiWorld*>(world)->end();
      return int{MPI_SUCCESS};
    };
    int key = MPI_KEYVAL_INVALID;
    mpi_call(MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, end_first, &key, nullptr), "starting");
    mpi_call(MPI_Comm_set_attr(MPI_COMM_SELF, key, this), "starting");
    mpi_call(MPI_Comm_free_keyval(&key), "starting");  // when the attribute is gone
    thread_ = std::thread([this] { work(); });
  }
  ~MpiWorld() {
    end();
    int finalized = 0;
    MPI_Finalized(&finalized);
    // After a failure others are not there to end MPI with.
    if (own_ && !failed_ && !finalized) MPI_Finalize();
  }
  std::array<MPI_Comm*, 4> communicators() { return {&mpi_.scatter, &mpi_.collect, &mpi_.other, &mpi_.control}; }

  // Ends the thread, when all processes have come so far.
  void end() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      quit_ = true;
      changed_.notify_all();
    }
    thread_.join();
    if (failed_) return;
    for (MPI_Comm* communicator : communicators()) MPI_Comm_free(communicator);
  }

  // The processors that this process may use, divided by the processes that may use them too. The quota of a cgroup is
  // divided by all processes of the machine. Numbers these, too.
  int share_of_processors() {
    MPI_Comm machine = MPI_COMM_NULL;
    mpi_call(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine), "starting");
    int size = 1;
    MPI_Comm_size(machine, &size);
    one_machine_ = size == mpi_.size;
    MPI_Comm_rank(machine, &local_rank_);
    machine_ = rank();
    mpi_call(MPI_Bcast(&machine_, 1, MPI_INT, 0, machine), "starting");
    const os::ProcessorMask own = os::processor_mask();
    std::vector<os::ProcessorMask> all(static_cast<std::size_t>(size));
    mpi_call(MPI_Allgather(&own, static_cast<int>(sizeof own), MPI_BYTE, all.data(), static_cast<int>(sizeof own), MPI_BYTE,
                           machine),
             "starting");
    MPI_Comm_free(&machine);
    const auto shared = std::count_if(all.begin(), all.end(), [&](const os::ProcessorMask& other) {
      for (std::size_t i = 0; i < own.size(); ++i)
        if ((own[i] & other[i]) != 0) return true;
      return false;
    });
    const int of_affinity = os::allowed_processors() / std::max(1, static_cast<int>(shared));
    return std::max(1, std::min(of_affinity, processors_of_quota() / size));
  }

  // --- With mutex_ held
  // The first failure is the one that counts. own: it did not follow from a signal or another process.
  void fail(const std::string& cause, bool own = false) {
    if (failed_) return;
    failed_ = true;
    failed_at_ = Clock::now();
    cause_ = text_of(cause), line_ = line_of(cause);
    print_failure(line_, own);
    changed_.notify_all();
  }
  static std::string text_of(const std::string& cause) {
    std::string text = cause.starts_with("strata: ") ? cause.substr(8) : cause;
    text.resize(std::min(text.size(), longest_text));
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
  }
  [[nodiscard]] std::string line_of(const std::string& cause) const {
    return "strata: rank " + std::to_string(rank()) + ": " + text_of(cause);
  }
  // Memory of jobs may be freed when MPI is not called any more.
  [[noreturn]] void leave(std::unique_lock<std::mutex>& lock) {
    changed_.wait(lock, [this] { return ended_; });
    throw ProcessError(line_);
  }

  // --- The thread
  void work() {
    os::sleep_precisely();
    std::deque<std::unique_ptr<MpiJob>> jobs, waiting;
    for (bool told = false;;) {
      {
        std::unique_lock lock(mutex_);
        if (!failed_ && given_.empty() && jobs.empty() && waiting.empty() && !quit_)
          changed_.wait_for(lock, std::chrono::milliseconds(2));
        std::move(given_.begin(), given_.end(), std::back_inserter(waiting));
        given_.clear();
        under_way_ = jobs.size() + waiting.size();
        if (failed_) break;
        if (quit_ && under_way_ == 0 && !told) {
          tell(end_tag, "");
          told = true;
        }
        if (told && sent() && std::all_of(heard_.begin(), heard_.end(), [](bool heard) { return heard; })) {
          ended_ = true;
          return;
        }
      }
      try {
        listen();
        advance(jobs, waiting);
      } catch (const std::exception& e) {
        const std::lock_guard lock(mutex_);
        fail(e.what());
      }
      const std::lock_guard lock(mutex_);
      under_way_ = jobs.size() + waiting.size();
      if (under_way_ == 0 && given_.empty()) changed_.notify_all();
      look_for_ends(!jobs.empty() || !waiting.empty());
    }
    say_farewell();
    // MPI may still know the memory of these.
    std::move(waiting.begin(), waiting.end(), std::back_inserter(jobs));
    for (auto& job : jobs) static_cast<void>(job.release());
    const std::lock_guard lock(mutex_);
    for (const auto& [owner, f] : at_failure_) f();
    ended_ = true;
    changed_.notify_all();
  }

  void advance(std::deque<std::unique_ptr<MpiJob>>& jobs, std::deque<std::unique_ptr<MpiJob>>& waiting) {
    // Sums need memory, so only a few are under way at once.
    constexpr int most_sums = 4;
    auto sums = std::count_if(jobs.begin(), jobs.end(), [](const auto& job) { return job->is_sum(); });
    while (!waiting.empty() && (!waiting.front()->is_sum() || sums < most_sums)) {
      sums += waiting.front()->is_sum() ? 1 : 0;
      waiting.front()->start(mpi_);
      jobs.push_back(std::move(waiting.front()));
      waiting.pop_front();
    }
    bool turn = true, any = false;
    for (auto job = jobs.begin(); job != jobs.end();) {
      if ((*job)->poll(mpi_, turn)) {
        job = jobs.erase(job);
        any = true;
      } else {
        turn = turn && !(*job)->waits_for_turn();
        ++job;
      }
    }
    // Sleeps between polls, so that the computation keeps its processor.
    if (!any && (!jobs.empty() || quit_))
      std::this_thread::sleep_for(std::chrono::microseconds(jobs.empty() ? 1000 : waited_for_ ? 20 : 200));
  }

  // Reads failures and farewells of other processes.
  void listen() {
    for (;;) {
      int there = 0;
      MPI_Status status;
      mpi_call(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, mpi_.control, &there, &status), "listening");
      if (!there) return;
      int length = 0;
      MPI_Get_count(&status, MPI_CHAR, &length);
      std::string text(static_cast<std::size_t>(length), ' ');
      mpi_call(MPI_Recv(text.data(), length, MPI_CHAR, status.MPI_SOURCE, status.MPI_TAG, mpi_.control, MPI_STATUS_IGNORE),
               "listening");
      const std::lock_guard lock(mutex_);
      heard_[static_cast<std::size_t>(status.MPI_SOURCE)] = true;
      if (status.MPI_TAG == failure_tag) fail("rank " + std::to_string(status.MPI_SOURCE) + " has failed: " + text);
      if (!left_) left_ = {status.MPI_SOURCE, Clock::now()};
    }
  }
  void tell(int tag, const std::string& text) {
    text_ = text;
    for (int other = 0; other < size(); ++other)
      if (other != rank()) {
        MPI_Request& request = sent_.emplace_back(MPI_REQUEST_NULL);
        MPI_Isend(text_.data(), static_cast<int>(text_.size()), MPI_CHAR, other, tag, mpi_.control, &request);
      }
  }
  bool sent() {
    int all = 0;
    return MPI_Testall(static_cast<int>(sent_.size()), sent_.data(), &all, MPI_STATUSES_IGNORE) != MPI_SUCCESS || all != 0;
  }
  // Ends a run whose processes end without a message. Call with mutex_ held.
  void look_for_ends(bool working) {
    const auto now = Clock::now();
    if (end_signal() != 0 && !signal_at_) signal_at_ = now;
    // A program that takes signals itself ends in order, unless a process that it waits for is not there any more.
    if (signal_at_ && (working || !program_takes_signals()) && now - *signal_at_ > grace)
      fail("ended by signal " + std::to_string(end_signal()));
    if (left_ && working && now - left_->second > grace)
      fail("rank " + std::to_string(left_->first) + " has ended its program, while this one goes on");
  }
  void say_farewell() {
    std::string cause;
    {
      const std::lock_guard lock(mutex_);
      cause = cause_;
    }
    try {
      tell(failure_tag, cause);
      const auto everybody = [this] {
        const std::lock_guard lock(mutex_);
        return std::all_of(heard_.begin(), heard_.end(), [](bool heard) { return heard; });
      };
      while (!(sent() && everybody()) && Clock::now() - failed_at_ < farewell) {
        listen();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    } catch (const std::exception&) {  // MPI has failed; there is nobody to tell
    }
  }

  MpiCommunicators mpi_;
  MpiBuffers buffers_;  // of the thread
  int threads_ = 1, local_rank_ = 0, machine_ = 0;
  bool own_ = false;  // MPI was started here
  bool one_machine_ = true;
  std::thread thread_;
  std::atomic<bool> waited_for_{false};
  std::vector<MPI_Request> sent_;
  std::string text_;

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::vector<std::unique_ptr<MpiJob>> given_;
  std::size_t under_way_ = 0;
  bool failed_ = false, quit_ = false, ended_ = false;  // ended_: the thread calls MPI no more
  std::vector<std::pair<const void*, std::function<void()>>> at_failure_;
  Clock::time_point failed_at_{};
  std::string cause_, line_;
  std::vector<bool> heard_;                                // of each process: it has failed or ended its program
  std::optional<std::pair<int, Clock::time_point>> left_;  // the first that did
  std::optional<Clock::time_point> signal_at_;
};

}  // namespace strata::inline STRATA_ABI::detail
