// SPDX-License-Identifier: BSL-1.0
// Functions that must not allocate, and models whose plan says what they allocate. This program replaces operator new to
// count; sanitizers have their own operator new, so that their builds skip this test.
#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <span>
#include <vector>

#include <strata/cpu_bf16.hpp>
#include <strata/strata.hpp>
#include <strata/training/progress.hpp>

namespace {
std::atomic<long> allocations{0};
std::atomic<long> aligned_bytes{0};
}  // namespace

// If they were inlined, GCC would warn about a mismatched pair.
[[gnu::noinline]] void* operator new(std::size_t n) {
  ++allocations;
  if (void* p = std::malloc(n == 0 ? 1 : n)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t n, std::align_val_t a) {
  ++allocations;
  aligned_bytes += static_cast<long>(n);
  const auto to = static_cast<std::size_t>(a);
  if (void* p = std::aligned_alloc(to, (n + to - 1) / to * to)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace {
using namespace strata;

using Small = Sequential<Input<12, 12, 3>, Conv<5, 16>, ReLU, MaxPool<3, 2>, BatchNorm, Conv<3, 32>, ReLU, Flatten,
                         Dense<300>, ReLU, Dropout<0.5>, Dense<10>>;

std::vector<float> numbers(std::size_t n) {
  std::vector<float> v(n);
  const Random random(1, Purpose::user);
  for (std::size_t i = 0; i < n; ++i) v[i] = random.uniform(i);
  return v;
}

TEST_CASE("allocations are counted") {
  const long before = allocations, bytes = aligned_bytes;
  // Called as a function: compilers may remove an unused new-expression, and clang does.
  ::operator delete(::operator new(192, std::align_val_t{64}), std::align_val_t{64});
  CHECK(allocations == before + 1);
  CHECK(aligned_bytes == bytes + 192);
}

TEST_CASE("a training step and a prediction allocate nothing after the first") {
  Model<Small> model{{.batch = 20, .threads = 2, .seed = 7}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, Adam{.learning_rate = 0.001});
  const auto images = numbers(20 * 12 * 12 * 3);
  const std::vector<int> labels(20, 3);
  trainer.step(images, labels);
  const long before = allocations;
  for (int i = 0; i < 5; ++i) trainer.step(images, labels);
  model.predict(images);
  CHECK(allocations == before);
}

TEST_CASE("in bfloat16 a larger batch, and a prediction, allocate no more than the model") {
  using Net = Sequential<Input<8, 8, 3>, Conv<3, 8>, ReLU, Flatten, Dense<10>>;
  cpu::bf16::set_unit(cpu::bf16::Unit::emulated);
  const auto pool = std::make_shared<ThreadPool>(2);
  const long bytes = aligned_bytes;
  Model<Net, CpuBF16> model{{.batch = 20, .pool = pool, .seed = 7}};
  CHECK(aligned_bytes - bytes == Model<Net, CpuBF16>::plan(20, 2).total());
  Trainer trainer(model, SoftmaxCrossEntropy{}, Adam{.learning_rate = 0.001});
  const auto images = numbers(20 * 8 * 8 * 3);
  const std::vector<int> labels(20, 3);
  trainer.step(std::span(images).first(8 * 8 * 3), std::span(labels).first(1));
  const long before = allocations;
  trainer.step(images, labels);
  model.predict(images);
  CHECK(allocations == before);
}

TEST_CASE("a session allocates its memory once; its predictions allocate nothing") {
  const Model<Small, Cpu, Inference> model{{.batch = 20, .threads = 2}};
  const auto images = numbers(20 * 12 * 12 * 3);
  const long bytes = aligned_bytes;
  auto session = model.session();
  // The weights are the model's.
  const MemoryPlan plan = Model<Small, Cpu, Inference>::plan(20, 2);
  CHECK(aligned_bytes - bytes == plan.total() - plan.weights - plan.state - plan.packed);
  const long before = allocations;
  for (int i = 0; i < 5; ++i) session.predict(images);
  CHECK(allocations == before);
}

TEST_CASE("a model allocates what its plan says, within the upper bound") {
  const auto pool = std::make_shared<ThreadPool>(2);  // it has aligned memory too
  const long before = aligned_bytes;
  Model<Small> model{{.batch = 20, .pool = pool}};
  CHECK(aligned_bytes - before == Model<Small>::plan(20, 2).total());
  const long between = aligned_bytes;
  Model<Small, Cpu, Inference> reader{{.batch = 20, .pool = pool}};
  constexpr MemoryPlan plan = Model<Small, Cpu, Inference>::plan(20, 2);
  CHECK(aligned_bytes - between == plan.total());
  CHECK(plan.gradients == 0);
  CHECK(plan.activation_gradients == 0);
  constexpr MemoryPlan full = Model<Small>::plan(20, 2, 1);
  static_assert(full.weights + full.state + full.gradients + full.optimizer + full.activations +
                    full.activation_gradients <=
                Small::training_bytes(20) + 64 * 64);
}

TEST_CASE("an epoch of batches allocates nothing after its start") {
  const ArrayDataset<Shape{5, 4, 3}, 7> data(numbers(64 * 60), std::vector<int>(64, 3));
  Batches batches(data, {.batch = 4,
                         .shuffle = true,
                         .augment = {.width_shift = 0.3, .height_shift = 0.2, .horizontal_flip = true, .pad_crop = 1},
                         .normalize = {{0.1f, 0.2f, 0.3f}, {0.5f, 0.25f, 2.f}}});
  batches.start(0);
  (void)batches.next();
  const long before = allocations;
  while (batches.next()) {
  }
  CHECK(allocations == before);
}

TEST_CASE("progress allocates nothing") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  const long before = allocations;
  Progress busy(file, 3, true);
  for (int step = 1; step <= 3; ++step) busy.update(step, std::nan(""), 1e300);
  busy.finish(0, 0, 0, 0);
  CHECK(allocations == before);
  std::fclose(file);
}

}  // namespace
