// SPDX-License-Identifier: BSL-1.0
// Run by mpirun: the calls that Nccl makes, in order and when something fails, with an NCCL and a CUDA runtime that only
// write down what they are asked. nccl_faults FAULT FOLDER; nccl_faults_test.py says what must follow.
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <strata/nccl.hpp>

namespace {
using namespace strata;

// Stand-ins for NCCL and the GPU.
std::string fault;
std::string trace;
std::atomic<ncclResult_t> state{ncclSuccess};
std::mutex mutex;
std::condition_variable changed;
int graphs = 0;      // that have captured sums
bool waits = false;  // the GPU, for that of another process

// NCCL ends a communicator when no graph refers to it any more.
void wait_for_graphs(const char* how) {
  std::unique_lock lock(mutex);
  changed.wait(lock, [] { return graphs == 0; });
  std::printf("communicator %s\n", how);
  std::fflush(stdout);
}
class Graph {
 public:
  Graph() {
    const std::lock_guard lock(mutex);
    ++graphs;
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  // As a trainer does, it waits for the GPU first.
  ~Graph() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [] { return !waits; });
    --graphs;
    changed.notify_all();
  }
};

void gpu_waits(bool value) {
  const std::lock_guard lock(mutex);
  waits = value;
  changed.notify_all();
}

template <class Handle>
Handle handle(std::uintptr_t number) {
  return reinterpret_cast<Handle>(number);
}
std::string name(const void* pointer) {
  static const std::vector<std::string> names = {"null", "own", "event 1", "event 2", "model"};
  const auto number = reinterpret_cast<std::uintptr_t>(pointer);
  return number < names.size() ? names[number] : "?";
}
}  // namespace

extern "C" {
cudaError_t CUDARTAPI cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
cudaError_t CUDARTAPI cudaSetDevice(int) { return cudaSuccess; }
cudaError_t CUDARTAPI cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
cudaError_t CUDARTAPI cudaGetLastError() { return cudaSuccess; }
const char* CUDARTAPI cudaGetErrorName(cudaError_t) { return "name"; }
const char* CUDARTAPI cudaGetErrorString(cudaError_t) { return "text"; }
cudaError_t CUDARTAPI cudaDeviceGetPCIBusId(char* place, int size, int) {
  std::snprintf(place, static_cast<std::size_t>(size), "0000:%02d:00.0", fault == "same" ? 7 : Nccl{}.rank());
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  return *least = 0, *greatest = -5, cudaSuccess;
}
cudaError_t CUDARTAPI cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int priority) {
  trace += "stream " + std::to_string(priority) + "; ";
  return *stream = handle<cudaStream_t>(1), cudaSuccess;
}
cudaError_t CUDARTAPI cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t CUDARTAPI cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  static std::uintptr_t number = 2;
  return *event = handle<cudaEvent_t>(number++), cudaSuccess;
}
cudaError_t CUDARTAPI cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
cudaError_t CUDARTAPI cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  trace += name(event) + " in " + name(stream) + "; ";
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  trace += name(stream) + " waits for " + name(event) + "; ";
  return cudaSuccess;
}

const char* ncclGetErrorString(ncclResult_t code) { return code == ncclRemoteError ? "a remote error" : "another error"; }
const char* ncclGetLastError(ncclComm_t) { return "the link is down"; }
ncclResult_t ncclGetVersion(int* version) { return *version = NCCL_VERSION_CODE, ncclSuccess; }
ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::memset(id, 'n', sizeof *id);
  return ncclSuccess;
}
ncclResult_t ncclCommInitRank(ncclComm_t* comm, int, ncclUniqueId id, int rank) {
  if (id.internal[17] != 'n') return ncclInvalidArgument;
  if (fault == "connecting") {
    if (rank == 1) return ncclSystemError;
    std::unique_lock lock(mutex);  // for ever
    changed.wait(lock, [] { return false; });
  }
  return *comm = handle<ncclComm_t>(99), ncclSuccess;
}
ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t,
                           cudaStream_t stream) {
  if (from != to || op != ncclSum) return ncclInvalidUsage;
  trace += std::to_string(count) +
           (type == ncclFloat64    ? " doubles"
            : type == ncclBfloat16 ? " bfloat16"
                                   : " floats") +
           " summed in " + name(stream) + "; ";
  return ncclSuccess;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* code) { return *code = state, ncclSuccess; }
ncclResult_t ncclCommDestroy(ncclComm_t) { return wait_for_graphs("destroyed"), ncclSuccess; }
ncclResult_t ncclCommAbort(ncclComm_t) {
  gpu_waits(false);
  return wait_for_graphs("aborted"), ncclSuccess;
}
}

namespace {

void run() {
  const Nccl nccl{.bfloat16 = true};
  const bool odd = nccl.rank() == 1;
  const std::shared_ptr<Processes> processes = nccl();
  DeviceSums& sums = *processes->device_sums();
  detail::together(processes.get(), [&] { sums.connect(); });
  const Graph graph;  // goes before the processes
  void* const model = handle<void*>(4);
  float values[8] = {};
  trace += sums.bfloat16() ? "graph; " : "no bfloat16; ";
  sums.all_reduce(model, values, 7, DeviceNumber::float64);
  sums.all_reduce(model, values, 5, DeviceNumber::float32);
  sums.all_reduce(model, values, 3, DeviceNumber::bfloat16);
  sums.join(model);
  int asked = 0;
  sums.wait([&] { return ++asked == 5; });
  if (nccl.rank() == 0) std::printf("%sasked %d times\n", trace.c_str(), asked);
  if (fault == "none") return;
  static_cast<void>(processes->all_gather(""));
  if (fault == "throws") throw std::runtime_error("an error of the program");
  gpu_waits(true);
  if (odd && fault == "failed") throw processes->failed("there is no GPU here");
  if (odd && fault == "error") state = ncclRemoteError;
  sums.wait([] { return false; });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  fault = argv[1];
  try {
    run();
    return 0;
  } catch (const ProcessError&) {  // it has been printed
    return 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "not a ProcessError: %s\n", e.what());
    return 3;
  }
}
