// SPDX-License-Identifier: BSL-1.0
// The roofline, measured: multiply-adds a second in registers, bytes a second from memory; one line each, as key=value.
// bench_peak [SECONDS]
#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// Numbers a multiply-add writes, times accumulators: enough of these to hide the latency of two units.
constexpr int accumulators = 12;
constexpr std::int64_t rounds = 2'000'000;

__attribute__((target("avx512f"))) float fma512() {
  __m512 sum[accumulators];
  for (int i = 0; i < accumulators; ++i) sum[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 factor = _mm512_set1_ps(0.999F), term = _mm512_set1_ps(0.001F);
  for (std::int64_t r = 0; r < rounds; ++r)
#pragma GCC unroll 12
    for (int i = 0; i < accumulators; ++i) sum[i] = _mm512_fmadd_ps(sum[i], factor, term);
  __m512 all = sum[0];
  for (int i = 1; i < accumulators; ++i) all = _mm512_add_ps(all, sum[i]);
  return _mm512_cvtss_f32(all);
}
__attribute__((target("avx2,fma"))) float fma256() {
  __m256 sum[accumulators];
  for (int i = 0; i < accumulators; ++i) sum[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 factor = _mm256_set1_ps(0.999F), term = _mm256_set1_ps(0.001F);
  for (std::int64_t r = 0; r < rounds; ++r)
#pragma GCC unroll 12
    for (int i = 0; i < accumulators; ++i) sum[i] = _mm256_fmadd_ps(sum[i], factor, term);
  __m256 all = sum[0];
  for (int i = 1; i < accumulators; ++i) all = _mm256_add_ps(all, sum[i]);
  return _mm256_cvtss_f32(all);
}

volatile float sink;

// The best and the median rate of `work` units done by f(thread) on each of some threads, repeated until the time is up.
template <class F>
void report(const char* mode, const char* unit, int threads, double work, double seconds, F f) {
  std::vector<double> rates;
  const auto until = Clock::now() + std::chrono::duration<double>(seconds);
  while (rates.size() < 5 || Clock::now() < until) {
    std::vector<std::thread> others;
    others.reserve(static_cast<std::size_t>(threads));
    const auto begin = Clock::now();
    for (int t = 1; t < threads; ++t) others.emplace_back(f, t);
    f(0);
    for (std::thread& t : others) t.join();
    rates.push_back(work / std::chrono::duration<double>(Clock::now() - begin).count() * 1e-9);
  }
  std::sort(rates.begin(), rates.end());
  std::printf("peer=machine mode=%s threads=%d unit=%s median=%.1f best=%.1f\n", mode, threads, unit,
              rates[rates.size() / 2], rates.back());
  std::fflush(stdout);
}

struct alignas(64) Line {
  float numbers[16];
};

// Three times the last cache where that is known, half a gigabyte at least and two at most.
std::size_t lines_to_stream() {
  std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index3/size");
  std::size_t kib = 0;
  file >> kib;
  return std::min<std::size_t>(std::max<std::size_t>(3 * kib * 1024, 512U << 20), 2048U << 20) / sizeof(Line);
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 0.5;
  const int all = std::max(static_cast<int>(std::thread::hardware_concurrency()), 1);
  std::vector<int> threads{1};
  if (all > 1) threads.push_back(2);
  for (const int n : threads) {
    if (__builtin_cpu_supports("avx512f"))
      report("fma-avx512", "GFLOP/s", n, 2.0 * 16 * accumulators * rounds * n, seconds, [](int) { sink = fma512(); });
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
      report("fma-avx2", "GFLOP/s", n, 2.0 * 8 * accumulators * rounds * n, seconds, [](int) { sink = fma256(); });
  }
  const std::size_t count = lines_to_stream();
  const std::unique_ptr<Line[]> lines(new Line[count]);
  for (std::size_t i = 0; i < count; ++i)
    for (float& x : lines[i].numbers) x = 1;
  for (const int n : threads) {
    const auto share = [&lines, count, n](int t, auto&& f) {
      const std::size_t first = count * static_cast<std::size_t>(t) / static_cast<std::size_t>(n);
      const std::size_t last = count * static_cast<std::size_t>(t + 1) / static_cast<std::size_t>(n);
      f(lines.get() + first, lines.get() + last);
    };
    const auto bytes = static_cast<double>(count * sizeof(Line));
    report("read", "GB/s", n, bytes, seconds, [&share](int t) {
      share(t, [](const Line* first, const Line* last) {
        __m128 sum[4]{};
        for (; first != last; ++first)
#pragma GCC unroll 4
          for (int i = 0; i < 4; ++i) sum[i] = _mm_add_ps(sum[i], _mm_load_ps(first->numbers + 4 * i));
        sink = _mm_cvtss_f32(_mm_add_ps(_mm_add_ps(sum[0], sum[1]), _mm_add_ps(sum[2], sum[3])));
      });
    });
    // Each number read and written where it stands, as an update of weights does.
    report("update", "GB/s", n, 2 * bytes, seconds, [&share](int t) {
      share(t, [](Line* first, Line* last) {
        const __m128 half = _mm_set1_ps(0.5F);
        for (; first != last; ++first)
          for (int i = 0; i < 16; i += 4) {
            float* x = first->numbers + i;
            _mm_store_ps(x, _mm_add_ps(_mm_mul_ps(_mm_load_ps(x), half), half));
          }
      });
    });
  }
  return 0;
}
