// SPDX-License-Identifier: BSL-1.0
// A training step, with the batch at hand and as it comes from a data set, and a prediction of the whole network; images a
// second.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "alexnet.hpp"

namespace {

std::vector<float> images(int batch) {
  std::vector<float> x(static_cast<std::size_t>(batch) * static_cast<std::size_t>(AlexNet::input.size()));
  const strata::Random random(1, strata::Purpose::user);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 2 * random.uniform(i) - 1;
  return x;
}

void count(benchmark::State& state, int batch, double flops) {
  state.counters["images/s"] = benchmark::Counter(batch, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["FLOP/s"] = benchmark::Counter(batch * flops, benchmark::Counter::kIsIterationInvariantRate);
}

constexpr auto forward_flops = 2.0 * static_cast<double>(AlexNet::macs);
// Twice that for backward, but for the gradient of the first layer's input, which nobody needs.
constexpr double train_flops = 3 * forward_flops - 2.0 * 32 * 32 * 96 * 75;

// Steps with what next() gives: images and labels.
template <class Next>
void steps(benchmark::State& state, Next next) {
  const auto batch = static_cast<int>(state.range(0)), threads = static_cast<int>(state.range(1));
  strata::Model<AlexNet> model({.batch = batch, .threads = threads, .seed = 1, .weights = strata::HeUniform{}});
  strata::Trainer trainer(model, strata::SoftmaxCrossEntropy{}, strata::SGD{.learning_rate = 0.0001, .momentum = 0.9});
  for (auto _ : state) {
    const auto [x, labels] = next();
    benchmark::DoNotOptimize(trainer.step(x, labels).loss);
  }
  count(state, batch, train_flops);
}
using Given = std::pair<std::span<const float>, std::span<const int>>;

void train(benchmark::State& state) {
  const auto batch = static_cast<int>(state.range(0));
  const std::vector<float> x = images(batch);
  std::vector<int> labels(static_cast<std::size_t>(batch));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int>(i % 10);
  steps(state, [&] { return Given(x, labels); });
}

// A step before (0) and after (1) the momentum of dead weights, which get no gradient, has decayed below the normal
// numbers. It takes no longer, because the kernels' threads round subnormal numbers to zero.
void train_dead(benchmark::State& state) {
  using Net =
      strata::Sequential<strata::Input<1, 1, 1024>, strata::Flatten, strata::Dense<2048>, strata::ReLU, strata::Dense<10>>;
  strata::Model<Net> model({.batch = 8, .threads = 1, .seed = 1});
  strata::Trainer trainer(model, strata::SoftmaxCrossEntropy{}, strata::SGD{.learning_rate = 0.001, .momentum = 0.9});
  const std::vector<float> some(8 * 1024, 0.5f), zeros(8 * 1024, 0.f);
  const std::vector<int> labels{0, 1, 2, 3, 4, 5, 6, 7};
  for (int i = 0; i < 5; ++i) trainer.step(some, labels);
  for (int i = 0; i < 1000 * state.range(0); ++i) trainer.step(zeros, labels);
  for (auto _ : state) benchmark::DoNotOptimize(trainer.step(zeros, labels).loss);
}
BENCHMARK(train_dead)->ArgName("decayed")->Arg(0)->Arg(1)->Iterations(200)->Unit(benchmark::kMillisecond)->UseRealTime();

// Bytes, as a file of images holds them.
struct Made {
  static constexpr strata::Shape image{32, 32, 3};
  static constexpr int classes = 10;
  std::shared_ptr<const std::vector<std::uint8_t>> bytes;

  [[nodiscard]] std::size_t size() const { return bytes->size() / 3072; }
  [[nodiscard]] int label(std::size_t i) const { return static_cast<int>(i % 10); }
  [[nodiscard]] std::span<const std::uint8_t> pixels(std::size_t i) const { return {bytes->data() + i * 3072, 3072}; }
};

// As train() takes them: each batch shuffled, shifted and mirrored beside the step before it.
void train_fed(benchmark::State& state) {
  std::vector<std::uint8_t> bytes(std::size_t{128} * 100 * 3072);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * i >> 8);
  const Made data{std::make_shared<const std::vector<std::uint8_t>>(std::move(bytes))};
  strata::Batches<Made> batches(data, {.batch = static_cast<int>(state.range(0)),
                                       .shuffle = true,
                                       .augment = {.width_shift = 0.1, .height_shift = 0.1, .horizontal_flip = true}});
  std::uint64_t epoch = 0;
  batches.start(epoch);
  steps(state, [&] {
    const auto* ready = batches.next();
    if (!ready) {
      batches.start(++epoch);
      ready = batches.next();
    }
    return Given(ready->images, ready->targets.classes);
  });
}

void training(benchmark::internal::Benchmark* b) {
  b->ArgNames({"batch", "threads"})
      ->ArgsProduct({{64, 128}, {1, 2}})
      ->Unit(benchmark::kMillisecond)
      ->MeasureProcessCPUTime()
      ->UseRealTime();
}
BENCHMARK(train)->Apply(training);
BENCHMARK(train_fed)->Apply(training);

void predict(benchmark::State& state) {
  const auto batch = static_cast<int>(state.range(0)), threads = static_cast<int>(state.range(1));
  strata::Model<AlexNet, strata::Cpu, strata::Inference> model(
      {.batch = batch, .threads = threads, .seed = 1, .weights = strata::HeUniform{}});
  const std::vector<float> x = images(batch);
  for (auto _ : state) benchmark::DoNotOptimize(model.predict(x).data());
  count(state, batch, forward_flops);
}
BENCHMARK(predict)
    ->ArgNames({"batch", "threads"})
    ->ArgsProduct({{1, 64, 128}, {1, 2}})
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
