// SPDX-License-Identifier: BSL-1.0
// Training steps in float32 and bfloat16 by turns, and predictions, 128 images of 32x32 in memory: bench_precision NETWORK
// THREADS SECONDS. NETWORK: alexnet, resnet18cifar or cifar_fast. STRATA_BF16 names the unit (docs/precision.md). Prints
// the median milliseconds of each, how many times as fast bfloat16 is, and the MiB of a model with momentum.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <strata/cpu_bf16.hpp>

#include "alexnet.hpp"
#include "networks.hpp"

namespace {

using namespace strata;

constexpr int batch = 128;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}
double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

template <class Net, class Backend>
struct Measured {
  Model<Net, Backend> model;
  Trainer<Model<Net, Backend>, SoftmaxCrossEntropy, SGD> trainer;
  std::vector<double> steps{}, predictions{};

  explicit Measured(int threads)
      : model{{.batch = batch, .threads = threads, .seed = 1, .weights = HeUniform{}}},
        trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.0001, .momentum = 0.9}) {}
  void measure(const std::vector<float>& images, const std::vector<int>& labels) {
    auto begin = std::chrono::steady_clock::now();
    trainer.step(images, labels);
    steps.push_back(1000 * seconds_since(begin));
    begin = std::chrono::steady_clock::now();
    model.predict(images);
    predictions.push_back(1000 * seconds_since(begin));
  }
  [[nodiscard]] double mebibytes(int threads) const {
    return static_cast<double>(Model<Net, Backend>::plan(batch, threads, 1).total()) / 1048576;
  }
};

template <class Net>
void compare(const char* name, int threads, double seconds) {
  Measured<Net, Cpu> wide(threads);
  Measured<Net, CpuBF16> narrow(threads);
  std::vector<float> images(batch * static_cast<std::size_t>(Net::input.size()));
  const Random random(1, Purpose::user);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = 2 * random.uniform(i) - 1;
  std::vector<int> labels;
  for (int i = 0; i < batch; ++i) labels.push_back(i % 10);
  const auto begin = std::chrono::steady_clock::now();
  while (wide.steps.size() < 3 || seconds_since(begin) < seconds) {
    wide.measure(images, labels);
    narrow.measure(images, labels);
  }
  const double step = median(wide.steps), prediction = median(wide.predictions);
  const double narrow_step = median(narrow.steps), narrow_prediction = median(narrow.predictions);
  std::printf("%s, %s\ntrain%d float32 %.1f bf16 %.1f ratio %.2f\npredict%d float32 %.1f bf16 %.1f ratio %.2f\n", name,
              narrow.model.engine().kernels().c_str(), batch, step, narrow_step, step / narrow_step, batch, prediction,
              narrow_prediction, prediction / narrow_prediction);
  std::printf("MiB float32 %.0f bf16 %.0f\n", wide.mebibytes(threads), narrow.mebibytes(threads));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string network = argc > 1 ? argv[1] : "alexnet";
  const int threads = argc > 2 ? std::atoi(argv[2]) : 1;
  const double seconds = argc > 3 ? std::atof(argv[3]) : 10;
  if (network == "alexnet") {
    compare<AlexNet>("alexnet", threads, seconds);
  } else if (network == "resnet18cifar") {
    compare<networks::ResNet18Cifar>("resnet18cifar", threads, seconds);
  } else if (network == "cifar_fast") {
    compare<cifar_fast::Net>("cifar_fast", threads, seconds);
  } else {
    std::fprintf(stderr, "%s is none of alexnet, resnet18cifar and cifar_fast\n", network.c_str());
    return 2;
  }
}
