// SPDX-License-Identifier: BSL-1.0
// Training on every kind of target, on the processor and on the emulated GPU.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/backend/cuda/steps.hpp>
#include <strata/strata.hpp>

#include "gpu_emulated.hpp"

namespace {

using namespace strata;
using Gpu = emulated::Gpu<>;

float drawn(std::uint64_t i) { return 2 * Random(7, Purpose::user).uniform(i) - 1; }
std::vector<float> made_images(std::size_t count, std::size_t size) {
  std::vector<float> images(count * size);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = drawn(i);
  return images;
}

template <class Net, class Backend, class Data, class Loss, class Optimizer_>
std::pair<std::vector<EpochRecord>, Evaluation> learned(const Data& data, Loss loss, Optimizer_ optimizer, int epochs,
                                                        std::vector<Metric> metrics = {}) {
  Model<Net, Backend> model{{.batch = 16, .threads = 2, .seed = 3}};
  auto history =
      train(model, data, loss, optimizer, {.epochs = epochs, .validation = data, .verbose = false, .metrics = metrics});
  return {history, evaluate(model, data, loss, {.metrics = metrics})};
}

TEST_CASE_TEMPLATE("values of a vector: a linear map is found", Backend, Cpu, Gpu) {
  constexpr std::size_t count = 90;
  const std::vector<float> images = made_images(count, 4);
  std::vector<float> values;
  for (std::size_t n = 0; n < count; ++n) {
    const float* x = &images[n * 4];
    for (const float v : {x[0] - 2 * x[1], x[2] + x[3] - 0.5f}) values.push_back(v);
  }
  using Net = Sequential<Input<2, 2, 1>, Flatten, Dense<2>>;
  const ArrayDataset<Shape{2, 2, 1}, Target::values(Shape{2})> data(images, values);
  const auto [history, result] = learned<Net, Backend>(data, MeanSquaredError{}, SGD{.learning_rate = 0.3, .momentum = 0.8},
                                                       60, {MeanAbsoluteError{}});
  CHECK(result.loss < 1e-6);
  CHECK(std::isnan(result.accuracy));  // values are neither right nor wrong
  CHECK(std::isnan(history.back().accuracy));
  CHECK(!history.back().validation_accuracy.has_value());
  REQUIRE(result.metrics.size() == 1);
  CHECK(result.metrics[0].name == "mean_absolute_error");
  CHECK(result.metrics[0].value < 1e-3);
  CHECK(history.front().validation_metrics.at(0).value > 10 * history.back().validation_metrics.at(0).value);
  CHECK(result.confusion.samples() == 0);
}

TEST_CASE_TEMPLATE("Dice of a class map: a loss a sample, a decision a place", Backend, Cpu, Gpu) {
  constexpr std::size_t count = 40;
  const std::vector<float> images = made_images(count, 16);
  std::vector<int> classes;
  for (const float x : images) classes.push_back(x > 0.3f ? 2 : x > -0.3f ? 1 : 0);
  using Net = Sequential<Input<4, 4, 1>, Conv<1, 16>, ReLU, Conv<1, 3>>;
  const ArrayDataset<Shape{4, 4, 1}, Target::class_map(4, 4, 3)> data(images, classes);
  const auto [history, result] = learned<Net, Backend>(data, Dice{}, Adam{.learning_rate = 0.02}, 60, {IoU{}});
  CHECK(history.front().loss > 0.3);
  CHECK(result.loss < 0.15);
  CHECK(result.accuracy > 0.9);
  CHECK(result.confusion.samples() == static_cast<std::int64_t>(count) * 16);
  CHECK(result.metrics.at(0).value > 0.8);
  CHECK(history.back().validation_accuracy.value() == result.accuracy);
  // What a step reports is what an evaluation does.
  Model<Net, Backend> model{{.batch = 8, .seed = 3}};
  const std::vector<float> some(images.begin(), images.begin() + 8 * 16);
  const std::vector<int> truth(classes.begin(), classes.begin() + 8 * 16);
  Trainer trainer(model, Unchecked{Dice{}}, SGD{.learning_rate = 0});
  const StepResult evaluated = trainer.evaluate(some, truth), stepped = trainer.step(some, truth);
  CHECK(evaluated.decisions == 8 * 16);
  CHECK(stepped.decisions == 8 * 16);
  CHECK(stepped.correct == evaluated.correct);
  CHECK(stepped.loss == doctest::Approx(evaluated.loss).epsilon(1e-5));
  CHECK(stepped.loss / 8 < 1);
  Model<Sequential<Input<4, 4, 1>, Conv<1, 65>>, Backend> many{{.batch = 8}};
  CHECK_THROWS_WITH_AS(Trainer(many, Dice{}, SGD{}), "strata: the number of classes of Dice is 65; expected at most 64",
                       std::invalid_argument);
}

TEST_CASE_TEMPLATE("Dice of a mask", Backend, Cpu, Gpu) {
  const std::vector<float> images = made_images(40, 16);
  std::vector<float> mask;
  for (const float x : images) mask.push_back(x > 0.2f ? 1.f : 0.f);
  using Net = Sequential<Input<4, 4, 1>, Conv<1, 1>>;
  const ArrayDataset<Shape{4, 4, 1}, Target{TargetKind::labels, Shape{4, 4, 1}}> data(images, mask);
  const auto [history, result] = learned<Net, Backend>(data, Dice{}, Adam{.learning_rate = 0.1}, 60, {F1{}});
  CHECK(result.loss < 0.15);
  CHECK(result.accuracy > 0.9);
  CHECK(history.front().loss > result.loss + 0.2);
}

TEST_CASE_TEMPLATE("values of a map", Backend, Cpu, Gpu) {
  const std::vector<float> images = made_images(48, 16);
  std::vector<float> values;
  for (const float x : images) values.push_back(0.5f * x + 0.25f);
  using Net = Sequential<Input<4, 4, 1>, Conv<1, 1>>;
  const ArrayDataset<Shape{4, 4, 1}, Target::values(Shape{4, 4, 1})> data(images, values);
  const auto [history, result] = learned<Net, Backend>(data, MeanSquaredError{}, SGD{.learning_rate = 0.5}, 30);
  CHECK(result.loss < 1e-6);
}

TEST_CASE_TEMPLATE("several labels at once", Backend, Cpu, Gpu) {
  constexpr std::size_t count = 160;
  const std::vector<float> images = made_images(count, 4);
  std::vector<float> labels;
  for (std::size_t n = 0; n < count; ++n)
    for (std::size_t k = 0; k < 3; ++k) labels.push_back(images[n * 4 + k] > images[n * 4 + k + 1] ? 1.f : 0.f);
  using Net = Sequential<Input<2, 2, 1>, Flatten, Dense<3>>;
  const ArrayDataset<Shape{2, 2, 1}, Target::labels(3)> data(images, labels);
  const auto [history, result] = learned<Net, Backend>(data, SigmoidCrossEntropy{}, Adam{.learning_rate = 0.1}, 30);
  CHECK(result.accuracy > 0.95);
  CHECK(history.front().accuracy < result.accuracy);
  CHECK(history.back().samples == static_cast<std::int64_t>(count));
}

TEST_CASE_TEMPLATE("a class for each place of a map", Backend, Cpu, Gpu) {
  const std::vector<float> images = made_images(40, 3 * 5);
  std::vector<int> classes;
  for (const float x : images) classes.push_back(x < -0.3f ? 0 : x < 0.3f ? 1 : 2);
  using Net = Sequential<Input<3, 5, 1>, Conv<1, 12>, ReLU, Conv<1, 3>>;
  const ArrayDataset<Shape{3, 5, 1}, Target::class_map(3, 5, 3)> data(images, classes);
  const auto [history, result] =
      learned<Net, Backend>(data, SoftmaxCrossEntropy{}, Adam{.learning_rate = 0.05}, 60, {TopK{2}});
  CHECK(result.accuracy > 0.9);
  CHECK(result.confusion.samples() == 40 * 15);
  CHECK(result.confusion.accuracy() == doctest::Approx(result.accuracy));
  CHECK(result.metrics.at(0).name == "top_2");
  CHECK(result.metrics.at(0).value >= result.accuracy);
}

TEST_CASE_TEMPLATE("a distribution over classes: the loss falls to its entropy", Backend, Cpu, Gpu) {
  const std::vector<float> images(2 * 4, 0.5f);
  const std::vector<float> probabilities{0.5f, 0.25f, 0.25f, 0.5f, 0.25f, 0.25f};
  using Net = Sequential<Input<2, 2, 1>, Flatten, Dense<3>>;
  const ArrayDataset<Shape{2, 2, 1}, Target::distribution(3)> data(images, probabilities);
  const auto [history, result] = learned<Net, Backend>(data, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.5}, 300);
  CHECK(result.loss == doctest::Approx(1.5 * std::log(2.)).epsilon(1e-4));
  CHECK(result.accuracy == 1);
}

// A class index is the distribution that is 1 for it: losses and steps must agree.
TEST_CASE_TEMPLATE("a class index equals its distribution", Backend, Cpu, Gpu) {
  using Net = Sequential<Input<2, 2, 1>, Flatten, Dense<3>>;
  const std::vector<float> images = made_images(5, 4);
  const std::vector<int> labels{2, 0, 1, 1, 0};
  std::vector<float> one_hot(15, 0.f);
  for (std::size_t n = 0; n < 5; ++n) one_hot[n * 3 + static_cast<std::size_t>(labels[n])] = 1;
  const auto check = [&](auto loss) {
    using Loss = decltype(loss);
    using M = Model<Net, Backend>;
    M a{{.batch = 5, .seed = 1}}, b{{.batch = 5, .seed = 1}};
    Trainer<M, Loss, SGD, TargetKind::class_index> by_index(a, loss, {.learning_rate = 0.1});
    Trainer<M, Loss, SGD, TargetKind::distribution> by_numbers(b, loss, {.learning_rate = 0.1});
    for (int step = 0; step < 3; ++step) {
      const StepResult x = by_index.step(images, labels), y = by_numbers.step(images, one_hot);
      CHECK(x.loss == doctest::Approx(y.loss).epsilon(1e-5));
      CHECK(x.correct == y.correct);
    }
  };
  check(SoftmaxCrossEntropy{});
  check(SoftmaxCrossEntropy{.label_smoothing = 0.2});
  check(Unchecked<NegativeLogLikelihood>{});
  check(SigmoidCrossEntropy{});
  check(MeanSquaredError{});
}

TEST_CASE("targets that do not fit are refused before anything changes") {
  using Net = Sequential<Input<2, 2, 1>, Flatten, Dense<3>>;
  Model<Net> model{{.batch = 4, .seed = 1}};
  const std::vector<float> before(model.parameters().begin(), model.parameters().end());
  const std::vector<float> images = made_images(2, 4);
  const auto refused = [&](auto& trainer, const Targets& targets, const char* why) {
    CHECK_THROWS_WITH_AS(trainer.step(images, targets), why, std::invalid_argument);
    CHECK_THROWS_WITH_AS(trainer.evaluate(images, targets), why, std::invalid_argument);
    CHECK(std::equal(before.begin(), before.end(), model.parameters().begin()));
    CHECK(trainer.updates() == 0);
  };
  Trainer classes(model, SoftmaxCrossEntropy{}, SGD{});
  refused(classes, std::vector<int>{0}, "strata: 1 labels as targets of 2 images; expected 2");
  refused(classes, std::vector<int>{0, 3}, "strata: image 1 has label 3; expected 0 to 2");
  refused(classes, std::vector<float>{0, 1}, "strata: 0 labels as targets of 2 images; expected 2");
  Trainer<Model<Net>, SoftmaxCrossEntropy, SGD, TargetKind::distribution> shares(model, {}, {});
  refused(shares, std::vector<float>{1, 0, 0}, "strata: 3 numbers as targets of 2 images; expected 6");
  refused(shares, std::vector<float>{1, 0, 0, 0.5f, 0, 0},
          "strata: image 1 has probabilities that sum to 0.5; expected a sum of 1");
  Trainer<Model<Net>, SigmoidCrossEntropy, SGD, TargetKind::labels> labels(model, {}, {});
  refused(labels, std::vector<float>{0, 0, 0, 0, 2, 0}, "strata: image 1 has a target of 2; expected 0 to 1");
  Trainer<Model<Net>, MeanSquaredError, SGD, TargetKind::values> values(model, {}, {});
  refused(values, std::vector<float>{0, 0, 0, 0, std::nanf(""), 0},
          "strata: image 1 has a target of nan; expected a finite number");
}

// The number of classes is known at run time alone, as of a folder of pictures.
struct Counted {
  static constexpr Shape image{2, 2, 1};
  static constexpr Target target{};
  int count = 3;
  [[nodiscard]] int class_count() const { return count; }
  [[nodiscard]] static std::size_t size() { return 6; }
  [[nodiscard]] int label(std::size_t i) const { return static_cast<int>(i) % count; }
  [[nodiscard]] static std::vector<float> pixels(std::size_t i) {
    return {drawn(i), drawn(i + 1), drawn(i + 2), drawn(i + 3)};
  }
};

TEST_CASE("classes that are counted at run time are compared with the outputs") {
  Model<Sequential<Input<2, 2, 1>, Flatten, Dense<3>>> model{{.batch = 4}};
  CHECK(train(model, Counted{}, SoftmaxCrossEntropy{}, SGD{}, {.verbose = false}).size() == 1);
  CHECK(evaluate(model, Counted{}).confusion.classes() == 3);
  const char* why = "strata: the data set has 2 classes; the network has 3 outputs";
  CHECK_THROWS_WITH_AS(train(model, Counted{2}, SoftmaxCrossEntropy{}, SGD{}, {.verbose = false}), why,
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(evaluate(model, Counted{2}), why, std::invalid_argument);
}

}  // namespace
