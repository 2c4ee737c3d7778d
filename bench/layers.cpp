// SPDX-License-Identifier: BSL-1.0
// Each layer of the network by itself: forward and backward (the gradients that the network needs), and nominal FLOP/s of
// layers with products. It calls CpuKernel<Layer>::forward and ::backward with a Pass, so that nothing is fused as it is in
// a model; bench_step measures the whole. As in the network, half of a ReLU's outputs are zero, and so are most gradients
// that a max pool sends back.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "alexnet.hpp"

namespace {

using strata::Shape;

struct alignas(64) Line {
  float numbers[16];
};
class Buffer {
 public:
  explicit Buffer(std::int64_t numbers) : lines_(static_cast<std::size_t>(numbers / 16 + 1)) {}
  [[nodiscard]] float* data() { return lines_.data()->numbers; }
  // In [-1, 1); only the fraction `nonzero` is not zero.
  void fill(std::int64_t n, std::uint64_t seed, double nonzero) {
    const strata::Random random(seed, strata::Purpose::user);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto at = static_cast<std::uint64_t>(i);
      data()[i] = static_cast<double>(random.uniform(2 * at)) < nonzero ? 2 * random.uniform(2 * at + 1) - 1 : 0;
    }
  }

 private:
  std::vector<Line> lines_;
};

enum class Direction { forward, backward };

// The fractions that are not zero, and whether a layer before this one has parameters.
struct Place {
  double input = 0.5, gradient = 0.5;
  bool input_learns = true;
};

template <class Layer>
void run(benchmark::State& state, Shape in, Direction direction, Place place) {
  const auto batch = static_cast<int>(state.range(0)), threads = static_cast<int>(state.range(1));
  using Kernel = strata::CpuKernel<Layer>;
  const strata::LayerInfo l = Layer::infer(in);
  const std::int64_t inputs = batch * in.size(), outputs = batch * l.out.size();
  strata::ThreadPool pool(threads);
  Buffer x(inputs), dx(inputs), y(outputs), dy(outputs), parameters(l.parameters), gradients(l.parameters);
  x.fill(inputs, 1, place.input);
  dy.fill(outputs, 2, place.gradient);
  parameters.fill(l.parameters, 3, 1);
  using Ops = strata::cpu::Ops<float>;
  Buffer saved(Kernel::template saved_bytes<Ops>(in, l.out, batch) / 4),
      scratch(Kernel::template scratch<Ops>(in, batch, threads)), none(0);
  const strata::Pass<Ops> pass{.batch = batch,
                               .in = in,
                               .out = l.out,
                               .x = x.data(),
                               .y = y.data(),
                               .dy = dy.data(),
                               .dx = place.input_learns ? dx.data() : nullptr,
                               .parameters = parameters.data(),
                               .gradients = gradients.data(),
                               .state = none.data(),
                               .saved = reinterpret_cast<std::byte*>(saved.data()),
                               .scratch = scratch.data(),
                               .training = true,
                               .dropout = true,
                               .random = strata::Random(1, strata::Purpose::dropout, 1, 1),
                               .ops = Ops(pool)};
  Kernel::forward(pass);
  for (auto _ : state) {
    if (direction == Direction::forward)
      Kernel::forward(pass);
    else
      Kernel::backward(pass);
    benchmark::ClobberMemory();
  }
  const double products = direction == Direction::forward ? 1 : place.input_learns ? 2 : 1;
  if (l.macs > 0)
    state.counters["FLOP/s"] = benchmark::Counter(2.0 * products * static_cast<double>(l.macs) * batch,
                                                  benchmark::Counter::kIsIterationInvariantRate);
}

template <class Layer>
void add(const std::string& name, Shape in, Place place = {}) {
  for (const Direction direction : {Direction::forward, Direction::backward}) {
    const std::string full = name + (direction == Direction::forward ? "/forward" : "/backward");
    benchmark::RegisterBenchmark(full.c_str(), [=](benchmark::State& s) { run<Layer>(s, in, direction, place); })
        ->ArgNames({"batch", "threads"})
        ->ArgsProduct({{128}, {1, 2}})
        ->Unit(benchmark::kMillisecond)
        ->MeasureProcessCPUTime()
        ->UseRealTime();
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace strata;
  add<Conv<5, 96>>("conv1", {32, 32, 3}, {.input = 1, .gradient = 0.2, .input_learns = false});
  add<ReLU>("relu1", {32, 32, 96}, {.input = 1, .gradient = 0.2});
  add<MaxPool<3, 2>>("pool1", {32, 32, 96}, {.gradient = 1});
  add<Conv<5, 256, Stride<2>>>("conv2", {15, 15, 96}, {.input = 0.8, .gradient = 0.14});
  add<ReLU>("relu2", {8, 8, 256}, {.input = 1, .gradient = 0.14});
  add<MaxPool<3, 2>>("pool2", {8, 8, 256}, {.gradient = 1});
  add<Conv<3, 384>>("conv3", {3, 3, 256}, {.input = 0.8});
  add<Conv<3, 384>>("conv4", {3, 3, 384});
  add<Conv<3, 256>>("conv5", {3, 3, 384}, {.gradient = 0.11});
  add<MaxPool<3, 2>>("pool5", {3, 3, 256}, {.gradient = 1});
  add<Dense<4096>>("dense1", Shape{256}, {.input = 0.9, .gradient = 0.25});
  add<Dropout<0.5>>("dropout1", Shape{4096});
  add<Dense<4096>>("dense2", Shape{4096}, {.input = 0.25, .gradient = 0.25});
  add<Dense<10>>("dense3", Shape{4096}, {.input = 0.25, .gradient = 1});
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
