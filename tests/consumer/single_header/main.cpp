// SPDX-License-Identifier: BSL-1.0
// Trains a small network. Prints its accuracy.
#include <cstdio>
#include <vector>

#include "network.hpp"

int main() {
  // Horizontal bars are class 0, vertical ones class 1.
  std::vector<float> images;
  std::vector<int> labels;
  for (int i = 0; i < 64; ++i) {
    labels.push_back(i % 2);
    for (int p = 0; p < 16; ++p) images.push_back((i % 2 == 0 ? p / 4 : p % 4) == i / 2 % 4 ? 1.F : 0.F);
  }
  const strata::ArrayDataset<strata::Shape{4, 4, 1}, 2> data(images, labels);
  strata::Model<Net> model{{.batch = 16, .threads = 1, .seed = 1}};
  strata::train(model, data, strata::SoftmaxCrossEntropy{}, strata::SGD{.learning_rate = 0.05, .momentum = 0.9},
                {.epochs = 10});
  const double right = accuracy(model, data);
  std::printf("strata %s, accuracy %.3f\n", strata::version.data(), right);
  return right > 0.95 ? 0 : 1;
}
