// SPDX-License-Identifier: BSL-1.0
// Sums over processes by NCCL, in the queue of each process's GPU.
#pragma once
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/parallel/mpi_watch.hpp>
#include <strata/parallel/mpi_world.hpp>
#include <strata/parallel/nccl_call.hpp>
#include <strata/training/device_sums.hpp>
#include <strata/training/processes.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI::detail {

// A stream of the sums' own, so that they run beside the computation, and the events that order the two.
class NcclStream : NoCopy {
 public:
  // On the device that the calling thread uses.
  NcclStream() {
    int least = 0, greatest = 0;
    cuda_call(cudaDeviceGetStreamPriorityRange(&least, &greatest), "cudaDeviceGetStreamPriorityRange");
    // Blocks of sums come before those of kernels, since other processes wait for them.
    cuda_call(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, greatest), "cudaStreamCreateWithPriority");
    for (cudaEvent_t* event : {&before_, &after_})
      cuda_call(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  }
  ~NcclStream() {
    for (const cudaEvent_t event : {before_, after_})
      if (event) static_cast<void>(cudaEventDestroy(event));
    static_cast<void>(cudaStreamDestroy(stream_));
  }
  [[nodiscard]] cudaStream_t get() const { return stream_; }
  // Work that is queued here later waits for the work that the other stream has now.
  void follow(cudaStream_t other) { order(before_, other, stream_); }
  // The other stream waits for the work that this one has now.
  void lead(cudaStream_t other) { order(after_, stream_, other); }

 private:
  static void order(cudaEvent_t event, cudaStream_t first, cudaStream_t second) {
    cuda_call(cudaEventRecord(event, first), "cudaEventRecord");
    cuda_call(cudaStreamWaitEvent(second, event, 0), "cudaStreamWaitEvent");
  }
  cudaStream_t stream_ = nullptr;
  cudaEvent_t before_ = nullptr, after_ = nullptr;
};

// Throws std::runtime_error unless each process has a GPU of its own. gpus: a name for that of each.
inline void check_own_gpus(const std::vector<std::string>& gpus) {
  for (auto gpu = gpus.begin(); gpu != gpus.end(); ++gpu)
    if (const auto same = std::find(gpus.begin(), gpu, *gpu); same != gpu)
      throw std::runtime_error("strata: the processes of rank " + std::to_string(same - gpus.begin()) + " and " +
                               std::to_string(gpu - gpus.begin()) +
                               " use the same GPU; NCCL needs one GPU a process: make the model with .device = "
                               "nccl.device(), and start no more processes than GPUs");
}

// host: the same processes, by MPI; it outlives this object.
class NcclSums final : public DeviceSums {
 public:
  NcclSums(Processes& host, bool bfloat16, double timeout) : host_(host), bfloat16_(bfloat16), timeout_(timeout) {}
  // Graphs that have captured sums must be gone, since NCCL waits for that.
  ~NcclSums() override {
    world_.forget(this);
    if (std::uncaught_exceptions() > 0) abort();  // the other processes may not come here
    if (comm_) static_cast<void>(ncclCommDestroy(comm_));
    if (aborting_.joinable()) aborting_.join();
  }

  void connect() override {
    if (comm_) return;
    cuda_call(cudaGetDevice(&device_), "cudaGetDevice");
    check_devices();
    ncclUniqueId id{};
    if (host_.rank() == 0) nccl_call(ncclGetUniqueId(&id), "starting");
    host_.broadcast(std::as_writable_bytes(std::span(&id, 1)));
    // Blocks until all processes have come so far, and cannot be interrupted: if one fails, the thread is left behind.
    const auto made = std::make_shared<Made>();
    std::thread([made, id, device = device_, size = host_.size(), rank = host_.rank()] {
      if (cudaSetDevice(device) == cudaSuccess) made->code = ncclCommInitRank(&made->comm, size, id, rank);
      if (made->code != ncclSuccess) made->text = nccl_text(made->code, "connecting");
      made->done = true;
    }).detach();
    wait([&made] { return made->done.load(); });
    if (made->code != ncclSuccess) throw std::runtime_error(made->text);
    stream_ = std::make_unique<NcclStream>();
    comm_ = made->comm;
    world_.at_failure(this, [this] { abort(); });
  }

  void all_reduce(void* stream, void* values, std::int64_t count, DeviceNumber type) override {
    const std::lock_guard lock(mutex_);
    if (!comm_) throw ProcessError("strata: rank " + std::to_string(host_.rank()) + ": the sums on GPUs have been ended");
    const ncclDataType_t number = type == DeviceNumber::float32   ? ncclFloat32
                                  : type == DeviceNumber::float64 ? ncclFloat64
                                                                  : ncclBfloat16;
    stream_->follow(static_cast<cudaStream_t>(stream));
    nccl_call(ncclAllReduce(values, values, static_cast<std::size_t>(count), number, ncclSum, comm_, stream_->get()),
              "adding gradients");
  }
  void join(void* stream) override { stream_->lead(static_cast<cudaStream_t>(stream)); }
  [[nodiscard]] bool bfloat16() const override { return bfloat16_; }

  void wait(const std::function<bool()>& done) override {
    const auto watched = [this, &done] {
      cuda_call(cudaSetDevice(device_), "cudaSetDevice");  // for the thread of MPI
      ncclResult_t code = ncclSuccess;
      if (comm_) nccl_call(ncclCommGetAsyncError(comm_, &code), "adding gradients");
      if (code != ncclInProgress) nccl_call(code, "adding gradients");
      return done();
    };
    if (host_.size() > 1) return world_.run(std::make_unique<MpiWatch>(watched), timeout_);
    while (!watched()) std::this_thread::sleep_for(std::chrono::microseconds(20));
  }

 private:
  // The result of the thread that connects.
  struct Made {
    ncclComm_t comm = nullptr;
    ncclResult_t code = ncclUnhandledCudaError;
    std::string text;
    std::atomic<bool> done{false};
  };

  void check_devices() {
    char place[32] = {};  // on the bus of its machine
    cuda_call(cudaDeviceGetPCIBusId(place, sizeof place, device_), "cudaDeviceGetPCIBusId");
    check_own_gpus(host_.all_gather(std::to_string(world_.machine()) + "/" + place));
  }

  // Ends the sums that the GPU waits in. NCCL returns when the graphs that have captured sums are gone, which this thread
  // may still have to destroy. A thread that has been in a call of NCCL for long waits for a process that is gone.
  void abort() {
    std::unique_lock lock(mutex_, std::chrono::seconds(1));
    if (comm_)
      aborting_ = std::thread([comm = std::exchange(comm_, nullptr), device = device_] {
        static_cast<void>(cudaSetDevice(device));
        static_cast<void>(ncclCommAbort(comm));
      });
  }

  MpiWorld& world_ = MpiWorld::get();
  Processes& host_;
  bool bfloat16_;
  double timeout_;
  int device_ = 0;
  std::unique_ptr<NcclStream> stream_;
  std::timed_mutex mutex_;  // guards comm_, which another thread may end
  ncclComm_t comm_ = nullptr;
  std::thread aborting_;
};

}  // namespace strata::inline STRATA_ABI::detail
