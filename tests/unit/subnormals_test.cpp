// SPDX-License-Identifier: BSL-1.0
// Numbers so small that processors compute with them slowly: where they become zero, and where the caller still has them.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include <strata/strata.hpp>
#include <strata/util/flush_subnormals.hpp>
#include <strata/util/thread_pool.hpp>

namespace {
using namespace strata;

// Whether this thread's arithmetic gives subnormal results, and whether it reads subnormal operands.
bool gives_subnormals() {
  volatile float least = std::numeric_limits<float>::min(), half = 0.5f;
  return least * half > 0;
}
bool reads_subnormals() {
  volatile float subnormal = std::numeric_limits<float>::denorm_min(), large = 1e30f;
  return subnormal * large > 0;
}
bool has_subnormals() { return gives_subnormals() || reads_subnormals(); }
#if defined(__x86_64__) || defined(__aarch64__)
constexpr bool known = true;
#else
constexpr bool known = false;
#endif

TEST_CASE("subnormal numbers are zeros while the guard lives") {
  REQUIRE(gives_subnormals());
  REQUIRE(reads_subnormals());
  {
    const detail::FlushSubnormals flush;
    CHECK(has_subnormals() != known);
    {
      const detail::FlushSubnormals again;
      CHECK(has_subnormals() != known);
    }
    CHECK(has_subnormals() != known);
  }
  CHECK(gives_subnormals());
  CHECK(reads_subnormals());
}

TEST_CASE("the guard keeps what else the thread has set") {
  std::vector<float> rounded(2);
  volatile float one = 1, tiny = 1e-20f;
  {
    const detail::FlushSubnormals flush;
    REQUIRE(std::fesetround(FE_UPWARD) == 0);
    rounded[0] = one + tiny;
  }
  rounded[1] = one + tiny;
  REQUIRE(std::fesetround(FE_TONEAREST) == 0);
  CHECK(rounded[0] > 1);
  CHECK(rounded[1] > 1);
  CHECK(has_subnormals());
}

TEST_CASE("a pool's tasks have no subnormal numbers, and its caller keeps them") {
  for (const int threads : {1, 3}) {
    CAPTURE(threads);
    ThreadPool pool(threads);
    for (const int tasks : {1, 50}) {
      CAPTURE(tasks);
      std::atomic<int> with{0};
      pool.parallel_for(tasks, [&](int, int) { with += has_subnormals() ? 1 : 0; });
      CHECK(with == (known ? 0 : tasks));
      CHECK(gives_subnormals());
      CHECK(reads_subnormals());
      CHECK_THROWS_AS(pool.parallel_for(tasks, [](int, int) { throw std::runtime_error("x"); }), std::runtime_error);
      CHECK(gives_subnormals());
      CHECK(reads_subnormals());
    }
  }
}

// What an optimizer keeps of dead units' weights: after a few updates they get no gradient any more.
template <class Optimizer>
std::vector<float> memory_of_dead_units(const Optimizer& optimizer) {
  using Net = Sequential<Input<1, 1, 4>, Flatten, Dense<6>, ReLU, Dense<2>>;
  Model<Net> model{{.batch = 2, .threads = 2, .seed = 1}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, optimizer);
  const std::vector<float> some(8, 0.5f), zeros(8, 0.f);
  const std::vector<int> labels{0, 1};
  const auto kept = [&] { return std::vector<float>(trainer.memory(0).begin(), trainer.memory(0).begin() + 4 * 6); };
  for (int i = 0; i < 3; ++i) trainer.step(some, labels);
  REQUIRE(std::ranges::any_of(kept(), [](float v) { return v != 0; }));
  for (int i = 0; i < 1000; ++i) trainer.step(zeros, labels);
  return kept();
}
TEST_CASE("what an optimizer keeps of dead units does not become subnormal") {
  if (!known) return;
  for (const float v : memory_of_dead_units(SGD{.learning_rate = 0.001, .momentum = 0.9})) CHECK(v == 0);
  // Adam's difference is flushed before its mean is, which stays above the smallest normal number.
  for (const float v : memory_of_dead_units(Adam{.learning_rate = 1e-4}))
    CHECK((v == 0 || std::abs(v) >= std::numeric_limits<float>::min()));
}

}  // namespace
