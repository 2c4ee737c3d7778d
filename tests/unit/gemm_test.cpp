// SPDX-License-Identifier: BSL-1.0
// gemm on every kernel path of this machine against a plain sum in double precision, and the thread pool.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

// Eigen allocates buffers with malloc, which operator new does not count; this makes Eigen assert that it allocates none.
#define EIGEN_RUNTIME_NO_MALLOC
#define eigen_assert(condition) static_cast<void>((condition) || (std::abort(), false))
#include <strata/backend/cpu/gemm.hpp>
#include <strata/util/thread_pool.hpp>

#include "effort.hpp"
#include "environment.hpp"

namespace {
std::atomic<long> allocations{0};
}
// clang's thread sanitizer has its own operator new, so that nothing is counted.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STRATA_TEST_KEEPS_NEW
#endif
#endif
#if !defined(STRATA_TEST_KEEPS_NEW)
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* p = std::malloc(bytes == 0 ? 1 : bytes)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif

namespace {

using strata::ThreadPool;
using strata::cpu::gemm;
using strata::cpu::gemm_scratch;
using strata::cpu::KernelPath;

struct Paths {
  KernelPath before;
  Paths() : before(strata::cpu::detail::path_now()) {}
  Paths(const Paths&) = delete;
  Paths& operator=(const Paths&) = delete;
  ~Paths() { strata::cpu::set_kernel_path(before); }
  template <class F>
  static void each(F&& f) {
    const Paths restore;
    for (const KernelPath path : {KernelPath::baseline, KernelPath::avx2, KernelPath::avx512, KernelPath::eigen}) {
      if (!strata::cpu::set_kernel_path(path)) continue;
      INFO("path ", std::string(strata::cpu::kernel_path()));
      f();
    }
  }
};

template <class T>
struct Problem {
  bool transpose_a, transpose_b;
  int m, n, k, lda, ldb, ldc;
  bool accumulate;
  static constexpr std::size_t guard = 64;
  static constexpr T mark = T(-12345);
  std::vector<T> a, b, before;

  Problem(bool ta, bool tb, int m_, int n_, int k_, bool add, int extra, std::mt19937& random)
      : transpose_a(ta),
        transpose_b(tb),
        m(m_),
        n(n_),
        k(k_),
        lda((ta ? m_ : k_) + extra),
        ldb((tb ? k_ : n_) + 2 * extra),
        ldc(n_ + 3 * extra),
        accumulate(add) {
    std::uniform_real_distribution<T> value(T(-1), T(1));
    // The buffer ends with the last row's last number, so that reading on is reading past the end. NaN between the rows.
    const auto fill = [&](std::vector<T>& to, int rows, int width, int ld) {
      to.assign(rows > 0 && width > 0
                    ? static_cast<std::size_t>(rows - 1) * static_cast<std::size_t>(ld) + static_cast<std::size_t>(width)
                    : 0,
                std::numeric_limits<T>::quiet_NaN());
      for (int r = 0; r < rows; ++r)
        for (int c = 0; c < width; ++c) to[at(r, ld, c)] = value(random);
    };
    fill(a, ta ? k : m, ta ? m : k, lda);
    fill(b, tb ? n : k, tb ? k : n, ldb);
    before.assign(2 * guard + static_cast<std::size_t>(m) * static_cast<std::size_t>(ldc), mark);
    for (int r = 0; r < m; ++r)
      for (int c = 0; c < n; ++c) before[guard + at(r, ldc, c)] = add ? value(random) : std::numeric_limits<T>::quiet_NaN();
  }
  static std::size_t at(int row, int ld, int column) {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(ld) + static_cast<std::size_t>(column);
  }

  // Returns C with its guards; checks the scratch's guards and that nothing was allocated.
  [[nodiscard]] std::vector<T> run(std::size_t misaligned = 0) const {
    std::vector<T> c = before;
    const auto size = static_cast<std::size_t>(gemm_scratch<T>(m, n, k));
    std::vector<T> scratch(size + 2 * guard + misaligned, mark);
    for (std::size_t i = 0; i < size; ++i) scratch[guard + misaligned + i] = std::numeric_limits<T>::quiet_NaN();
    const long count = allocations;
    Eigen::internal::set_is_malloc_allowed(false);
    gemm(transpose_a, transpose_b, m, n, k, a.data(), lda, b.data(), ldb, c.data() + guard, ldc, accumulate,
         scratch.data() + guard + misaligned);
    Eigen::internal::set_is_malloc_allowed(true);
    CHECK(allocations == count);
    bool kept = true;
    for (std::size_t i = 0; i < guard; ++i)
      kept = kept && scratch[misaligned + i] == mark && scratch[guard + misaligned + size + i] == mark;
    CHECK(kept);
    return c;
  }

  void check(const std::vector<T>& c) const {
    // Each of k products and sums rounds once more: |error| <= (k + 2) eps (|c| + sum |a||b|), blocks of k included.
    const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
    int wrong = 0;
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        const double old = accumulate ? static_cast<double>(before[guard + at(i, ldc, j)]) : 0.0;
        double want = old, size = std::abs(old);
        for (int l = 0; l < k; ++l) {
          const double product = static_cast<double>(a[transpose_a ? at(l, lda, i) : at(i, lda, l)]) *
                                 static_cast<double>(b[transpose_b ? at(j, ldb, l) : at(l, ldb, j)]);
          want += product;
          size += std::abs(product);
        }
        const double got = static_cast<double>(c[guard + at(i, ldc, j)]);
        if (!(std::abs(got - want) <= (k + 2) * eps * size)) ++wrong;
      }
    int overwritten = 0;
    for (std::size_t i = 0; i < c.size(); ++i) {
      const bool inside =
          i >= guard && i < c.size() - guard && (i - guard) % static_cast<std::size_t>(ldc) < static_cast<std::size_t>(n);
      if (!inside && c[i] != mark) ++overwritten;
    }
    CHECK(wrong == 0);
    CHECK(overwritten == 0);
  }
};

template <class T>
void check_all(int m, int n, int k, int extra, std::mt19937& random) {
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  for (int form = 0; form < 8; ++form) {
    CAPTURE(form);
    const Problem<T> problem((form & 1) != 0, (form & 2) != 0, m, n, k, (form & 4) != 0, extra, random);
    Paths::each([&] { problem.check(problem.run()); });
  }
}

TEST_CASE_TEMPLATE("gemm is a matrix product for small sizes", T, float, double) {
  std::mt19937 random(1);
  for (const int m : {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 25})
    for (const int n : {1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 50})
      for (const int k : {0, 1, 3, 4, 5, 17}) check_all<T>(m, n, k, (m + n + k) % 3, random);
}

TEST_CASE_TEMPLATE("gemm is a matrix product for random sizes", T, float, double) {
  std::mt19937 random(2);
  const auto draw = [&](int most) { return std::uniform_int_distribution<int>(1, most)(random); };
  for (int round = 0; round < as_many_as(40); ++round) check_all<T>(draw(130), draw(130), draw(130), draw(5) - 1, random);
}

TEST_CASE_TEMPLATE("gemm is a matrix product around the edges of its blocks", T, float, double) {
  std::mt19937 random(3);
  const int sizes[][3] = {{240, 33, 256}, {241, 40, 257}, {253, 17, 513}, {250, 801, 7},
                          {3, 1600, 20},  {500, 9, 300},  {7, 5, 3000}};
  for (const auto& s : sizes) check_all<T>(s[0], s[1], s[2], 1, random);
}

TEST_CASE("gemm touches nothing of an empty product") {
  Paths::each([] {
    float c = 5;
    gemm<float>(false, false, 0, 1, 1, nullptr, 1, nullptr, 1, &c, 1, false, nullptr);
    gemm<float>(false, false, 1, 0, 1, nullptr, 1, nullptr, 1, &c, 1, false, nullptr);
    CHECK(c == 5);
    gemm<float>(false, false, 1, 1, 0, nullptr, 1, nullptr, 1, &c, 1, true, nullptr);
    CHECK(c == 5);
    gemm<float>(false, false, 1, 1, 0, nullptr, 1, nullptr, 1, &c, 1, false, nullptr);
    CHECK(c == 0);
  });
}

TEST_CASE("gemm gives the same bits wherever its scratch lies and however m is cut") {
  std::mt19937 random(4);
  const int m = 260, n = 70, k = 300;
  const Problem<float> problem(false, false, m, n, k, true, 2, random);
  Paths::each([&] {
    const std::vector<float> whole = problem.run();
    CHECK(whole == problem.run(3));
    if (std::string(strata::cpu::kernel_path()) == "eigen") return;  // Eigen does not guarantee it
    std::vector<float> parts = problem.before;
    std::vector<float> scratch(static_cast<std::size_t>(gemm_scratch<float>(m, n, k)));
    for (int first = 0; first < m; first += 37) {
      const int rows = std::min(37, m - first);
      gemm(false, false, rows, n, k, problem.a.data() + Problem<float>::at(first, problem.lda, 0), problem.lda,
           problem.b.data(), problem.ldb, parts.data() + Problem<float>::guard + Problem<float>::at(first, problem.ldc, 0),
           problem.ldc, true, scratch.data());
    }
    CHECK(parts == whole);
  });
}

TEST_CASE("gemm gives the same bits however n is cut, for a B too large for the caches too") {
  std::mt19937 random(5);
  for (const int m : {13, 250}) {
    const int n = 8301, k = 260, part = 4100;
    const Problem<float> problem(false, false, m, n, k, false, 1, random);
    Paths::each([&] {
      if (std::string(strata::cpu::kernel_path()) == "eigen") return;
      const std::vector<float> whole = problem.run();
      std::vector<float> parts = problem.before;
      std::vector<float> scratch(static_cast<std::size_t>(gemm_scratch<float>(m, part, k)));
      for (int first = 0; first < n; first += part)
        gemm(false, false, m, std::min(part, n - first), k, problem.a.data(), problem.lda, problem.b.data() + first,
             problem.ldb, parts.data() + Problem<float>::guard + first, problem.ldc, false, scratch.data());
      CHECK(parts == whole);
    });
  }
}

TEST_CASE("gemm's scratch is known at compile time, bounded, and never less for a larger product") {
  static_assert(gemm_scratch<float>(1 << 20, 1 << 20, 1 << 20) < 512 * 1024);
  int less = 0;
  for (const int m : {1, 12, 240, 241, 1000})
    for (const int n : {1, 33, 768, 5000})
      for (const int k : {0, 1, 256, 257, 400}) {
        const std::int64_t here = gemm_scratch<float>(m, n, k);
        for (const std::int64_t more :
             {gemm_scratch<float>(m + 1, n, k), gemm_scratch<float>(m, n + 1, k), gemm_scratch<float>(m, n, k + 1)})
          if (more < here) ++less;
      }
  CHECK(less == 0);
}

TEST_CASE("STRATA_KERNELS names a path or is refused") {
  const char* before = std::getenv("STRATA_KERNELS");
  const std::string kept = before ? before : "";
  set_variable("STRATA_KERNELS", "baseline");
  CHECK(strata::cpu::detail::choose_path() == KernelPath::baseline);
#if defined(__aarch64__)
  const char *own = "neon", *foreign = "avx2";
#else
  const char *own = "baseline", *foreign = "neon";
#endif
  set_variable("STRATA_KERNELS", own);
  CHECK(strata::cpu::detail::choose_path() == KernelPath::baseline);
  set_variable("STRATA_KERNELS", foreign);
  CHECK_THROWS_WITH_AS(
      (void)strata::cpu::detail::choose_path(),
      (std::string("strata: STRATA_KERNELS=") + foreign + ": this processor cannot run these kernels").c_str(),
      std::runtime_error);
  set_variable("STRATA_KERNELS", "fastest");
  CHECK_THROWS_WITH_AS((void)strata::cpu::detail::choose_path(),
                       "strata: STRATA_KERNELS=fastest is none of avx512, avx2, neon, baseline and eigen",
                       std::runtime_error);
  if (before)
    set_variable("STRATA_KERNELS", kept.c_str());
  else
    unset_variable("STRATA_KERNELS");
}

TEST_CASE("parallel_for runs each task once, with a worker of its own") {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    CHECK(pool.size() == threads);
    std::vector<int> runs(97);
    std::vector<std::atomic<int>> inside(static_cast<std::size_t>(threads));
    std::atomic<int> wrong{0};
    for (int round = 0; round < 200; ++round) {
      const int tasks = round % 98;
      runs.assign(runs.size(), 0);
      pool.parallel_for(tasks, [&](int task, int worker) {
        if (worker < 0 || worker >= threads || inside[static_cast<std::size_t>(worker)].fetch_add(1) != 0) ++wrong;
        ++runs[static_cast<std::size_t>(task)];
        inside[static_cast<std::size_t>(worker)].fetch_sub(1);
      });
      for (int task = 0; task < 97; ++task)
        if (runs[static_cast<std::size_t>(task)] != (task < tasks ? 1 : 0)) ++wrong;
    }
    CHECK(wrong == 0);
  }
  CHECK(ThreadPool().size() >= 1);
}

TEST_CASE("parallel_for rethrows, and works again afterwards") {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 100; ++round) {
      CHECK_THROWS_WITH_AS(pool.parallel_for(20,
                                             [&](int task, int) {
                                               if (task == round % 20) throw std::runtime_error("task failed");
                                             }),
                           "task failed", std::runtime_error);
      std::atomic<int> sum{0};
      pool.parallel_for(10, [&](int task, int) { sum += task; });
      CHECK(sum == 45);
    }
  }
}

TEST_CASE("a pool that is at work lets another caller do all tasks itself") {
  ThreadPool pool(3);
  std::atomic<int> inner{0};
  pool.parallel_for(4, [&](int, int) {
    pool.parallel_for(5, [&](int, int worker) {
      if (worker == 0) ++inner;
    });
  });
  CHECK(inner == 20);
  std::atomic<long> sum{0};
  const auto call = [&] {
    for (int round = 0; round < 2000; ++round) pool.parallel_for(7, [&](int task, int) { sum += task; });
  };
  std::thread other(call);
  call();
  other.join();
  CHECK(sum == 2 * 2000 * 21);
}

TEST_CASE("parallel_for allocates nothing, over many rounds") {
  ThreadPool pool(3);
  std::atomic<int> sum{0};
  const auto work = [&](int, int) { sum.fetch_add(1, std::memory_order_relaxed); };
  pool.parallel_for(4, work);
  const long before = allocations;
  for (int round = 0; round < 10000; ++round) pool.parallel_for(4, work);
  CHECK(allocations == before);
  CHECK(sum == 40004);
}

}  // namespace
