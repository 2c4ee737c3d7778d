// SPDX-License-Identifier: BSL-1.0
// Seconds of a training step of cifar_fast's network, 1,024 images in memory: bench_recipe THREADS STEPS. One line for each
// step, after one that does not count. recipe.sh runs it beside PyTorch.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <strata/strata.hpp>

#include "../examples/cifar_fast/network.hpp"

int main(int argc, char** argv) {
  using namespace strata;
  using cifar_fast::Net;
  constexpr int batch = 1024;
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1, steps = argc > 2 ? std::atoi(argv[2]) : 3;
  Model<Net> model{{.batch = batch, .threads = threads, .seed = 1, .weights = FanInUniform{}}};
  Trainer trainer(model, SoftmaxCrossEntropy{.label_smoothing = 0.2},
                  SGD{.learning_rate = 0.3, .momentum = 0.85, .nesterov = true, .weight_decay = 0.0013});
  trainer.groups({{.tensors = "conv2d/kernel", .frozen = true},
                  {.roles = {Role::shift}, .learning_rate = 64, .weight_decay = 1.0 / 64}});
  const Random random(1, Purpose::user);
  std::vector<float> images(batch * static_cast<std::size_t>(Net::input.size()));
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = 4 * random.uniform(i) - 2;
  std::vector<int> labels;
  for (int i = 0; i < batch; ++i) labels.push_back(i % 10);
  std::printf("parameters %lld\n", static_cast<long long>(Net::parameters));
  for (int i = 0; i <= steps; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    trainer.step(images, labels);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (i > 0) std::printf("step %.4f\n", seconds);
  }
}
