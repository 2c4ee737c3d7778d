// SPDX-License-Identifier: BSL-1.0
// The main of programs that need a GPU. Without one it prints which tests are skipped, and why.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include <strata/backend/cuda/error.hpp>

#include "managed_memory.hpp"

int main(int argc, char** argv) {
  constexpr int skipped = 77;  // CMakeLists.txt knows it
  int devices = 0;
  const cudaError_t code = cudaGetDeviceCount(&devices);
  if (code == cudaSuccess && devices > 0) {
    kernels_reach_heap = true;
    const int result = doctest::Context(argc, argv).run();
    kernels_reach_heap = false;
    return result;
  }
  const std::string why = strata::cuda::no_device_message(code == cudaSuccess ? cudaErrorNoDevice : code);
  std::printf("SKIPPED: %s\nSKIPPED are:\n", why.c_str());
  std::fflush(stdout);
  const char* const list[] = {argv[0], "--list-test-cases"};
  doctest::Context(2, list).run();
  return skipped;
}
