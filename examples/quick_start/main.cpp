// SPDX-License-Identifier: BSL-1.0
// The code in the README: a network that the compiler checks, trained on arrays of your own.
#include <cstdio>
#include <vector>

#include <strata/strata.hpp>

using namespace strata;

using Net = Sequential<Input<8, 8, 1>,                                   // height, width, channels
                       Conv<3, 16>, ReLU, MaxPool<2>, Expect<4, 4, 16>,  // does not compile with another shape here
                       Flatten, Dense<32>, ReLU, Dropout<0.1>, Dense<2>>;

static_assert(Net::output == Shape{2});
static_assert(Net::parameters == 16 * 9 + 16 + 256 * 32 + 32 + 32 * 2 + 2);

int main() {
  // Horizontal bars are class 0, vertical ones class 1.
  std::vector<float> images;
  std::vector<int> labels;
  for (int i = 0; i < 512; ++i) {
    labels.push_back(i % 2);
    for (int p = 0; p < 64; ++p) images.push_back((i % 2 == 0 ? p / 8 : p % 8) == i / 2 % 8 ? 1.f : 0.f);
  }
  const ArrayDataset<Shape{8, 8, 1}, 2> data(images, labels);

  Model<Net> model{{.batch = 32, .seed = 1}};
  train(model, data, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05, .momentum = 0.9}, {.epochs = 5, .validation = data});
  const double accuracy = evaluate(model, data).accuracy;
  std::printf("accuracy %.3f\n", accuracy);
  return accuracy > 0.95 ? 0 : 1;
}
