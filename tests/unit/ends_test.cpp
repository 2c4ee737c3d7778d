// SPDX-License-Identifier: BSL-1.0
// What keeps training from going too far: gradients that are clipped, epochs that no longer help.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/strata.hpp>

#include "files.hpp"

namespace {
using namespace strata;

using Net = Sequential<Input<3, 3, 1>, Flatten, Dense<3>>;  // 30 parameters: no multiple of anything
using Data = ArrayDataset<Shape{3, 3, 1}, 3>;

Data data(int samples, std::uint64_t seed) {
  std::vector<float> images;
  std::vector<int> labels;
  const Random random(seed, Purpose::user);
  for (int i = 0; i < samples; ++i) {
    labels.push_back(static_cast<int>(random.below(3, static_cast<std::uint64_t>(1000 + i))));
    for (int p = 0; p < 9; ++p) images.push_back(random.uniform(static_cast<std::uint64_t>(9 * i + p)));
  }
  return {images, labels};
}
Model<Net> model_of() { return Model<Net>{{.batch = 4, .threads = 1, .seed = 1}}; }

// How far one step of rate 1 goes: the norm of what it took for the gradient.
double step_of(double clip, std::vector<float>* moved = nullptr) {
  auto model = model_of();
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 1});
  trainer.clip_gradients(clip);
  const std::vector<float> before(model.parameters().begin(), model.parameters().end());
  std::vector<float> images;
  for (int i = 0; i < 36; ++i) images.push_back(static_cast<float>(i % 7));
  trainer.step(images, std::vector<int>{0, 1, 2, 0});
  double square = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const double d = static_cast<double>(model.parameters()[i]) - static_cast<double>(before[i]);
    square += d * d;
    if (moved) moved->push_back(static_cast<float>(d));
  }
  return std::sqrt(square);
}

TEST_CASE("gradients are scaled down to a norm, and never up") {
  std::vector<float> free, clipped;
  const double norm = step_of(0, &free);
  REQUIRE(norm > 0.5);
  CHECK(step_of(0.25, &clipped) == doctest::Approx(0.25).epsilon(1e-5));
  for (std::size_t i = 0; i < free.size(); ++i)
    CHECK(static_cast<double>(clipped[i]) == doctest::Approx(static_cast<double>(free[i]) * 0.25 / norm).epsilon(1e-3));
  CHECK(step_of(norm * 1.01) == norm);
  CHECK_THROWS_AS(step_of(-1), std::invalid_argument);
  CHECK_THROWS_AS(step_of(std::numeric_limits<double>::infinity()), std::invalid_argument);
  auto one = model_of(), two = model_of();
  train(one, data(20, 1), SoftmaxCrossEntropy{}, SGD{.learning_rate = 1}, {.verbose = false});
  train(two, data(20, 1), SoftmaxCrossEntropy{}, SGD{.learning_rate = 1}, {.verbose = false, .clip_norm = 0.01});
  CHECK(one.parameters()[0] != two.parameters()[0]);
}

TEST_CASE("training ends once epochs no longer help, resumed or not") {
  const Folder folder;
  const auto run = [&](int epochs, int patience, bool files) {
    auto model = model_of();
    TrainOptions<Data> options{.epochs = epochs, .validation = data(12, 2), .verbose = false, .patience = patience};
    if (files) options.checkpoint = Checkpoints{.directory = folder.path}, options.resume = true;
    return train(model, data(40, 1), SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.5, .momentum = 0.9}, options);
  };
  const auto all = run(40, 0, false);
  REQUIRE(all.size() == 40);
  for (const int patience : {1, 2, 5}) {
    // The first epoch that has so many without a new best behind the best of all before it.
    std::size_t expected = 0;
    do ++expected;
    while (expected < 40 && static_cast<int>(expected) < best_epoch({all.data(), expected})->epoch + patience);
    REQUIRE(expected < 40);
    const auto ended = run(40, patience, false);
    CHECK(ended.size() == expected);
    CHECK(ended.back().validation_loss == all[expected - 1].validation_loss);
    for (int epochs = 1; epochs < static_cast<int>(expected) + 3; epochs += 2)
      CHECK(run(epochs, patience, true).size() == std::min<std::size_t>(expected, static_cast<std::size_t>(epochs)));
    CHECK(run(40, patience, true).size() == expected);
    std::filesystem::remove_all(folder.path);
  }
  auto model = model_of();
  CHECK_THROWS_AS(train(model, data(8, 1), SoftmaxCrossEntropy{}, SGD{}, {.patience = 1}), std::invalid_argument);
  CHECK_THROWS_AS(run(1, -1, false), std::invalid_argument);
}

}  // namespace
