// SPDX-License-Identifier: BSL-1.0
// gemm on one core, GFLOP/s by kernel path and shape: the products of AlexNet for CIFAR-10.
#include <cstdint>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <strata/backend/cpu/gemm.hpp>

namespace {

using strata::cpu::KernelPath;

struct Shape {
  const char* name;
  bool transpose_a, transpose_b;
  int m, n, k;
};
constexpr Shape shapes[] = {
    {"conv2", false, false, 64, 256, 2400},        {"conv2_weights", true, false, 2400, 256, 64},
    {"conv2_input", false, true, 64, 2400, 256},   {"conv1", false, false, 1024, 96, 75},
    {"conv1_weights", true, false, 75, 96, 1024},  {"conv4", false, false, 9 * 14, 384, 3456},
    {"dense", false, false, 128, 4096, 4096},      {"dense_weights", true, false, 4096, 4096, 128},
    {"dense_input", false, true, 128, 4096, 4096},
};

void run(benchmark::State& state, KernelPath path, const Shape& s) {
  if (!strata::cpu::set_kernel_path(path)) {
    state.SkipWithError("this processor lacks it");
    return;
  }
  // Aligned to cache lines, as in an arena: tiles that straddle lines are up to a tenth slower.
  struct alignas(64) Line {
    float numbers[16];
  };
  const auto lines = [](std::int64_t numbers) {
    std::vector<Line> v(static_cast<std::size_t>((numbers + 15) / 16));
    std::uint32_t x = 1;
    for (Line& line : v)
      for (float& value : line.numbers) value = static_cast<float>((x = x * 1664525 + 1013904223) >> 8) * 0x1p-24F - 0.5F;
    return v;
  };
  const std::int64_t m = s.m, n = s.n, k = s.k;
  std::vector<Line> keep_a = lines(m * k), keep_b = lines(k * n), keep_c = lines(m * n);
  std::vector<Line> keep_scratch = lines(strata::cpu::gemm_scratch<float>(s.m, s.n, s.k));
  const float* a = keep_a.data()->numbers;
  const float* b = keep_b.data()->numbers;
  float* c = keep_c.data()->numbers;
  float* scratch = keep_scratch.data()->numbers;
  for (auto _ : state) {
    strata::cpu::gemm(s.transpose_a, s.transpose_b, s.m, s.n, s.k, a, s.transpose_a ? s.m : s.k, b,
                      s.transpose_b ? s.k : s.n, c, s.n, false, scratch);
    benchmark::DoNotOptimize(c);
    benchmark::ClobberMemory();
  }
  state.counters["FLOP/s"] = benchmark::Counter(2.0 * s.m * s.n * s.k, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

int main(int argc, char** argv) {
  const char* names[] = {"baseline", "avx2", "avx512", "eigen"};
  for (const KernelPath path : {KernelPath::avx512, KernelPath::avx2, KernelPath::baseline, KernelPath::eigen})
    for (const Shape& shape : shapes) {
      const std::string name = std::string(names[static_cast<int>(path)]) + "/" + shape.name + "/" +
                               std::to_string(shape.m) + "x" + std::to_string(shape.n) + "x" + std::to_string(shape.k);
      benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { run(state, path, shape); });
    }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
