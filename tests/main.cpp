// SPDX-License-Identifier: BSL-1.0
// doctest's main, which ends with `skipped` where STRATA_KERNELS asks for kernels that this processor cannot run.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <exception>

#include <strata/backend/cpu/simd.hpp>

int main(int argc, char** argv) {
  constexpr int skipped = 77;  // tests/CMakeLists.txt knows it
  try {
    static_cast<void>(strata::cpu::kernel_path());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "SKIPPED: %s\n", e.what());
    return skipped;
  }
  return doctest::Context(argc, argv).run();
}
