// SPDX-License-Identifier: BSL-1.0
// GPUs in cuDNN's JSON, which need not exist on this machine. The numbers are from the tables of compute capabilities in
// the CUDA C++ Programming Guide and from data sheets.
#pragma once
#include <string>

namespace strata::test {

struct Card {
  const char* name;
  int capability;  // 900 is 9.0
  int multiprocessors;
  int shared_memory;        // bytes available to a block
  int threads, blocks;      // of a multiprocessor
  long long memory;         // bytes
  int l2_cache;             // bytes
  int clock, memory_clock;  // kHz
};

inline constexpr Card h100{"NVIDIA H100 80GB HBM3", 900,        132,       232448,   2048, 32,
                           85'899'345'920,          52'428'800, 1'980'000, 2'619'000};
inline constexpr Card a100{"NVIDIA A100-SXM4-40GB", 800,        108,       166912,   2048, 32,
                           42'949'672'960,          41'943'040, 1'410'000, 1'215'000};
inline constexpr Card t4{"Tesla T4", 750, 40, 65536, 1024, 16, 17'179'869'184, 4'194'304, 1'590'000, 5'001'000};

inline std::string json(const Card& card) {
  const auto field = [](const char* name, long long value) {
    return std::string(", \"") + name + "\": " + std::to_string(value);
  };
  return std::string("{\"deviceName\": \"") + card.name + "\", \"maxGridSize\": [2147483647, 65535, 65535]" +
         ", \"maxBlockSize\": [1024, 1024, 64]" + field("deviceVer", card.capability) + field("driverVer", 13000) +
         field("cudaDeviceId", 0) + field("pciDeviceId", 0) + field("isTccDriver", 0) + field("supportCoopLaunch", 1) +
         field("warpSize", 32) + field("regsPerBlock", 65536) + field("maxRegistersPerSM", 65536) +
         field("maxThreadsPerBlock", 1024) + field("maxThreadsPerSM", card.threads) + field("maxCtasPerSM", card.blocks) +
         field("multiProcessorCount", card.multiprocessors) + field("maxSharedMemoryPerBlock", 49152) +
         field("maxSharedMemoryPerBlockOptin", card.shared_memory) + field("reservedSharedMemoryPerBlock", 1024) +
         field("totalGlobalMem", card.memory) + field("l2CacheSize", card.l2_cache) + field("smClockRateKHz", card.clock) +
         field("memClockRateKHz", card.memory_clock) + "}";
}

}  // namespace strata::test
