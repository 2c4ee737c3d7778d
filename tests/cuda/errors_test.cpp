// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <strata/backend/cuda/cublas.hpp>
#include <strata/backend/cuda/cudnn.hpp>
#include <strata/backend/cuda/error.hpp>

using namespace strata;
using namespace strata::cuda;

TEST_CASE("Each library's failure names the call, the status and its meaning") {
  CHECK_NOTHROW(check(cudaSuccess, "cudaMalloc"));
  CHECK_NOTHROW(check(CUDNN_STATUS_SUCCESS, "cudnnCreate"));
  CHECK_NOTHROW(check(CUBLAS_STATUS_SUCCESS, "cublasLtCreate"));
  CHECK_THROWS_WITH_AS(check(cudaErrorInvalidValue, "cudaMemcpyAsync"),
                       "cudaMemcpyAsync failed: cudaErrorInvalidValue, invalid argument", CudaError);
  CHECK_THROWS_WITH_AS(
      check(CUBLAS_STATUS_INVALID_VALUE, "cublasLtMatmul"),
      "cublasLtMatmul failed: CUBLAS_STATUS_INVALID_VALUE, an unsupported value or parameter was passed to "
      "the function",
      CublasError);
  try {
    check(cudaErrorMemoryAllocation, "cudaMalloc");
    FAIL("no exception");
  } catch (const CudaError& e) {
    CHECK(e.code() == cudaErrorMemoryAllocation);
  }
  try {
    Descriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR).finalize();
    FAIL("cuDNN takes a tensor without sizes");
  } catch (const CudnnError& e) {
    CHECK(e.status() != CUDNN_STATUS_SUCCESS);
    CHECK(std::string(e.what()).starts_with("cudnnBackendFinalize (tensor) failed: CUDNN_STATUS_BAD_PARAM"));
  }
}

TEST_CASE("A machine without a usable device is told what it lacks") {
  CHECK_THROWS_WITH_AS(
      check(cudaErrorNoDevice, "cudaGetDeviceCount"),
      "cudaGetDeviceCount failed: no CUDA device can be used here (cudaErrorNoDevice: no CUDA-capable device "
      "is detected); an NVIDIA GPU and its driver are needed, or the CPU backend",
      CudaError);
  CHECK(driver_too_old_message(12040, 13000) ==
        "the NVIDIA driver is too old: it is made for CUDA 12.4, this program for CUDA 13.0; update the driver, or build "
        "with "
        "an older toolkit");
  CHECK(driver_too_old_message(0, 13020) == "there is no NVIDIA driver on this machine; one for CUDA 13.2 is needed");
  int driver = 0, runtime = 0;
  REQUIRE(cudaDriverGetVersion(&driver) == cudaSuccess);
  REQUIRE(cudaRuntimeGetVersion(&runtime) == cudaSuccess);
  CHECK_THROWS_WITH_AS(check(cudaErrorInsufficientDriver, "cudaMalloc"),
                       ("cudaMalloc failed: " + driver_too_old_message(driver, runtime)).c_str(), CudaError);
  CHECK(no_such_device_message(2, 1) == "there is no CUDA device 2: this machine has 1, numbered from 0");
}

TEST_CASE("Too little memory is told in numbers") {
  CHECK(not_enough_memory_message("a batch of 1024", 6'442'450'944, 1'048'576, 8'589'934'592) ==
        "not enough memory on the GPU for a batch of 1024: 6144.0 MiB are needed, 1.0 MiB of 8192.0 MiB are free; take a "
        "smaller batch");
  CHECK(
      not_enough_memory_message("one image", 1, 0, 157'286) ==
      "not enough memory on the GPU for one image: 0.0 MiB are needed, 0.0 MiB of 0.1 MiB are free; take a smaller batch");
}

// Where there is a device these succeed, and tests that need one see to the rest.
TEST_CASE("A handle is made, or the reason is told") {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0) {
    CHECK_NOTHROW(CudnnHandle());
    CHECK_NOTHROW(CublasHandle());
  } else {
    CHECK_THROWS_AS(CudnnHandle(), CudnnError);
    CHECK_THROWS_AS(CublasHandle(), CublasError);
  }
}
