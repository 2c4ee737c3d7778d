// SPDX-License-Identifier: BSL-1.0
// A program that trains, compiled at -O1 and -O3 too: each level inlines and unrolls something else, and GCC's warnings
// about array bounds and uninitialized variables depend on that. Users compile with their own warnings and levels.
#include <filesystem>

#include <strata/strata.hpp>

namespace {
using namespace strata;
using Net = Sequential<Input<28, 28, 1>, Conv<3, 16>, BatchNorm, ReLU, MaxPool<2>, LRN<>, Conv<5, 24, Stride<2>>, ReLU,
                       AvgPool<2>, Flatten, Dense<32>, Tanh, Dropout<0.2>, Dense<10>>;
}  // namespace

int main(int, char** arguments) {
  Model<Net> model{{.batch = 32, .seed = 1}};
  train(model, FashionMnist::train(arguments[1]), SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1, .momentum = 0.9},
        {.epochs = 1});
  save_weights(model, arguments[2]);
}
