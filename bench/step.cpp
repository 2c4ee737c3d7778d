// SPDX-License-Identifier: BSL-1.0
// A training step and a prediction of the whole network, images a second.
#include <algorithm>
#include <cstdint>
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

void train(benchmark::State& state) {
  const auto batch = static_cast<int>(state.range(0)), threads = static_cast<int>(state.range(1));
  strata::Model<AlexNet> model({.batch = batch, .threads = threads, .seed = 1, .weights = strata::HeUniform{}});
  strata::Trainer trainer(model, strata::SoftmaxCrossEntropy{}, strata::SGD{.rate = 0.0001, .momentum = 0.9});
  const std::vector<float> x = images(batch);
  std::vector<int> labels(static_cast<std::size_t>(batch));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int>(i % 10);
  for (auto _ : state) benchmark::DoNotOptimize(trainer.step(x, labels).loss);
  count(state, batch, train_flops);
}
BENCHMARK(train)
    ->ArgNames({"batch", "threads"})
    ->ArgsProduct({{64, 128}, {1, 2}})
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

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
