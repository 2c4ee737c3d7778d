// SPDX-License-Identifier: BSL-1.0
// Predictions of known networks, in a model for inference and in one for training, which runs layer by layer. Arguments:
// batch, threads. --benchmark_filter=LeNet
// names the networks that run.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "networks.hpp"

namespace {

using namespace networks;

template <class Net, class Mode>
void predict(benchmark::State& state) {
  const auto batch = static_cast<int>(state.range(0)), threads = static_cast<int>(state.range(1));
  Model<Net, Cpu, Mode> model{{.batch = batch, .threads = threads, .seed = 1}};
  std::vector<float> images(static_cast<std::size_t>(batch * Net::input.size()));
  const Random random(1, Purpose::user);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = 2 * random.uniform(i) - 1;
  for (auto _ : state) benchmark::DoNotOptimize(model.predict(images).data());
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(batch * Net::macs), benchmark::Counter::kIsIterationInvariantRate);
}

#define STRATA_BENCH(Net)              \
  BENCHMARK(predict<Net, Inference>)   \
      ->Name(#Net "/inference")        \
      ->ArgsProduct({{1, 32}, {1, 2}}) \
      ->Unit(benchmark::kMillisecond)  \
      ->UseRealTime();                 \
  BENCHMARK(predict<Net, Training>)    \
      ->Name(#Net "/layers")           \
      ->ArgsProduct({{1, 32}, {1, 2}}) \
      ->Unit(benchmark::kMillisecond)  \
      ->UseRealTime();
STRATA_BENCH(LeNet)
STRATA_BENCH(SqueezeNet)
STRATA_BENCH(ResNet18)
STRATA_BENCH(ResNet18Cifar)
STRATA_BENCH(MobileNetV2)
STRATA_BENCH(VGG16)

}  // namespace
