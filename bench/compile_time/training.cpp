// SPDX-License-Identifier: BSL-1.0
// The whole of it: a model on the CPU, trained.
#include "../alexnet.hpp"

int main() {
  strata::Model<AlexNet> model({.batch = 128});
  const auto data = strata::Cifar10::train("cifar-10-batches-bin");
  return strata::train(model, data, strata::SoftmaxCrossEntropy{}, strata::SGD{.learning_rate = 0.01, .momentum = 0.9})
      .empty();
}
