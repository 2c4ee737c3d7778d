// SPDX-License-Identifier: BSL-1.0
// The training loop: where it ends, what it refuses, what it says of numbers that are none. And how models begin.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/strata.hpp>

namespace {
using namespace strata;

constexpr float infinity = std::numeric_limits<float>::infinity();

// Input 0, Flatten 1, Dense 2, ReLU 3, Dense 4.
using Net = Sequential<Input<2, 2, 1>, Flatten, Dense<8>, ReLU, Dense<3>>;
using Data = ArrayDataset<Shape{2, 2, 1}, 3>;

// Class c is where pixel c is large.
Data data(int samples) {
  std::vector<float> images;
  std::vector<int> labels;
  const Random random(1, Purpose::user);
  for (int i = 0; i < samples; ++i) {
    labels.push_back(i % 3);
    for (int p = 0; p < 4; ++p)
      images.push_back(random.uniform(static_cast<std::uint64_t>(4 * i + p)) + (p == i % 3 ? 1.f : 0.f));
  }
  return {images, labels};
}

Model<Net> model_of(int batch = 4) { return Model<Net>{{.batch = batch, .threads = 1, .seed = 1}}; }

template <class M>
std::vector<float> parameters(M& model) {
  return {model.parameters().begin(), model.parameters().end()};
}

// A tensor's numbers, by its name.
template <class M>
std::vector<float> tensor(M& model, const std::string& wanted) {
  std::vector<float> found;
  model.for_each_tensor([&](const std::string& name, const TensorInfo&, std::span<float> values) {
    if (name == wanted) found.assign(values.begin(), values.end());
  });
  REQUIRE_FALSE(found.empty());
  return found;
}

// --- Where training ends ------------------------------------------------------------------------------------------------

TEST_CASE("training takes every sample once an epoch and learns") {
  auto model = model_of();
  const Data d = data(30);
  const auto history = train(model, d, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1, .momentum = 0.9},
                             {.epochs = 30, .validation = d, .verbose = false});
  REQUIRE(history.size() == 30);
  CHECK(history[0].epoch == 1);
  CHECK(history[29].epoch == 30);
  CHECK(history[29].samples == 30);
  CHECK(history[29].loss < history[0].loss);
  CHECK(history[29].validation_accuracy.value() > 0.9);
  const Evaluation e = evaluate(model, d);
  CHECK(e.loss == history[29].validation_loss.value());
  CHECK(e.accuracy == history[29].validation_accuracy.value());
}

TEST_CASE("each epoch is told of, with its step and learning rate") {
  auto model = model_of();
  std::vector<std::vector<EpochRecord>> told;
  const StepDecay rate{0.1, 0.5, 3};
  const auto history = train(model, data(30), SoftmaxCrossEntropy{}, SGD{.learning_rate = rate},
                             {.epochs = 9, .verbose = false, .max_steps = 20, .on_epoch = [&](auto all) {
                                told.emplace_back(all.begin(), all.end());
                              }});
  REQUIRE(history.size() == 3);  // of eight steps, the last of four
  REQUIRE(told.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(told[i].size() == i + 1);
    CHECK(told[i].back().epoch == static_cast<int>(i) + 1);
    CHECK(told[i].back().loss == history[i].loss);
  }
  CHECK(history[0].step == 8);
  CHECK(history[0].learning_rate == rate(7));
  CHECK(history[2].step == 20);
  CHECK(history[2].learning_rate == rate(19));
  CHECK(told[2].back().samples == 16);
  const auto quit = [](auto) -> void { throw std::domain_error("quit"); };
  CHECK_THROWS_AS(
      train(model, data(30), SoftmaxCrossEntropy{}, SGD{.learning_rate = rate}, {.verbose = false, .on_epoch = quit}),
      std::domain_error);
}

TEST_CASE("max_steps ends training within an epoch, and not earlier") {
  const Data d = data(30);  // 8 steps an epoch
  const auto run = [&](std::int64_t max_steps, int epochs) {
    auto model = model_of();
    const auto history = train(model, d, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1},
                               {.epochs = epochs, .validation = d, .verbose = false, .max_steps = max_steps});
    return std::pair(history, parameters(model));
  };
  const auto [three, after_three] = run(3, 2);
  REQUIRE(three.size() == 1);
  CHECK(three[0].samples == 12);
  CHECK_FALSE(three[0].validation_loss);
  const auto [eight, after_eight] = run(8, 2);
  REQUIRE(eight.size() == 1);
  CHECK(eight[0].samples == 30);
  CHECK(eight[0].validation_loss.has_value());
  CHECK(after_eight == run(0, 1).second);
  CHECK(after_three != after_eight);
  const auto ten = run(10, 5).first;
  REQUIRE(ten.size() == 2);
  CHECK(ten[1].samples == 8);
  CHECK(run(100, 2).first.size() == 2);
}

TEST_CASE("a profile names what runs together, counts all of it, and changes nothing") {
  using Deep = Sequential<Input<8, 8, 2>, Conv<3, 4>, ReLU, MaxPool<2>, Residual<Conv<3, 4>, ReLU>, Flatten, Dense<3>>;
  constexpr int batch = 3;
  const std::vector<float> images(batch * 128, 0.5f);
  const std::vector<int> labels{0, 1, 2};
  std::vector<std::vector<float>> after;
  Profile profile;
  for (const bool watched : {false, true}) {
    Model<Deep> model{{.batch = batch, .threads = 1, .seed = 2}};
    Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1});
    trainer.step(images, labels);
    if (watched) trainer.watch(&profile);
    trainer.step(images, labels);
    trainer.watch(nullptr);
    trainer.step(images, labels);
    after.push_back(parameters(model));
  }
  CHECK(after[0] == after[1]);
  CHECK(profile.steps == 1);
  CHECK(profile.samples == batch);
  std::vector<std::string> names;
  std::int64_t macs = 0;
  for (const LayerTime& row : profile.rows) {
    names.push_back(row.name);
    macs += row.macs;
    CHECK(row.forward + row.backward > 0);
  }
  CHECK(names == std::vector<std::string>{"Conv + ReLU + MaxPool", "Conv + ReLU", "Residual", "Dense", "loss", "update"});
  CHECK(macs == Deep::macs);
  CHECK(profile.rows[0].learns_before == false);
  CHECK(profile.rows[1].learns_before == true);
  CHECK(profile.rows[3].first == 8);
  CHECK(profile.text().find("Conv + ReLU + MaxPool") != std::string::npos);
}

TEST_CASE("stop is asked after each step and each batch of a validation") {
  const Data d = data(30);
  const auto run = [&](int stop_at) {
    auto model = model_of();
    int asked = 0;
    const auto history =
        train(model, d, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1},
              {.epochs = 2, .validation = d, .verbose = false, .stop = [&] { return ++asked >= stop_at; }});
    return std::pair(history, asked);
  };
  const auto [first, asked] = run(1);
  CHECK(asked == 1);
  REQUIRE(first.size() == 1);
  CHECK(first[0].samples == 4);
  const auto [validating, asked_then] = run(8 + 3);  // the third batch of the validation
  CHECK(asked_then == 11);
  REQUIRE(validating.size() == 1);
  CHECK(validating[0].samples == 30);
  CHECK_FALSE(validating[0].validation_loss);
  CHECK(run(1000).second == 2 * (8 + 8));
  auto model = model_of();
  const std::function<bool()> quit = []() -> bool { throw std::out_of_range("enough"); };
  CHECK_THROWS_AS(train(model, d, SoftmaxCrossEntropy{}, SGD{}, {.verbose = false, .stop = quit}), std::out_of_range);
  CHECK_THROWS_AS(evaluate(model, d, SoftmaxCrossEntropy{}, {.stop = quit}), std::out_of_range);
  CHECK(evaluate(model, d, SoftmaxCrossEntropy{}, {.stop = [] { return true; }}).confusion.samples() == 4);
}

TEST_CASE("what cannot be meant is refused before anything is trained") {
  auto model = model_of();
  const auto before = parameters(model);
  CHECK_THROWS_AS(train(model, data(6), SoftmaxCrossEntropy{}, SGD{}, {.epochs = -1}), std::invalid_argument);
  CHECK_THROWS_AS(train(model, data(6), SoftmaxCrossEntropy{}, SGD{}, {.max_steps = -1}), std::invalid_argument);
  CHECK_THROWS_AS(train(model, Data(), SoftmaxCrossEntropy{}, SGD{}), std::invalid_argument);
  CHECK_THROWS_AS(train(model, data(6), SoftmaxCrossEntropy{}, SGD{}, {.validation = Data()}), std::invalid_argument);
  CHECK_THROWS_AS(train(model, data(6), SoftmaxCrossEntropy{}, SGD{}, {.augment = {.pad_crop = 3}}), std::invalid_argument);
  CHECK_THROWS_AS(train(model, data(6), SoftmaxCrossEntropy{}, SGD{.momentum = 1}), std::invalid_argument);
  CHECK_THROWS_AS(evaluate(model, Data()), std::invalid_argument);
  CHECK(train(model, data(6), SoftmaxCrossEntropy{}, SGD{}, {.epochs = 0}).empty());
  CHECK(parameters(model) == before);
}

TEST_CASE("the momentum of BatchNorm decides how soon its statistics follow the batches") {
  // The toy data take two steps an epoch: after ten epochs 0.99^20, four fifths, of the first statistics are left.
  const auto accuracy = []<class Norm>(Norm) {
    using Normed = Sequential<Input<2, 2, 1>, Conv<3, 8, NoBias>, Norm, ReLU, Flatten, Dense<8>, Norm, ReLU, Dense<3>>;
    Model<Normed> model{{.batch = 30, .threads = 1, .seed = 1}};
    const Data d = data(60);
    const auto history = train(model, d, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1, .momentum = 0.9},
                               {.epochs = 10, .validation = d, .verbose = false});
    return std::pair{*history.back().validation_accuracy, *history.back().validation_loss};
  };
  const auto [slow, slow_loss] = accuracy(BatchNorm{});
  const auto [fast, fast_loss] = accuracy(BatchNormOf<Momentum<0.9>>{});
  CHECK(fast == 1);
  CHECK(slow < 1);
  CHECK(fast_loss < slow_loss / 4);
}

TEST_CASE("a step without images does nothing, and one with wrong labels changes nothing") {
  using Normed = Sequential<Input<6, 6, 1>, Conv<3, 4>, ReLU, MaxPool<2>, BatchNorm, Flatten, Dense<3>>;
  Model<Normed> model{{.batch = 4, .threads = 2, .seed = 1}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1});
  const std::vector<float> images(4 * 36, 1.f);
  trainer.step(images, std::vector{0, 1, 2, 0});
  const auto before = parameters(model);
  const std::vector<float> state(model.state().begin(), model.state().end());
  CHECK(trainer.step({}, {}).samples == 0);
  CHECK_THROWS_AS(trainer.step({}, std::vector{0}), std::invalid_argument);
  CHECK_THROWS_AS(trainer.step(images, std::vector{0, 1, 2, 3}), std::invalid_argument);
  CHECK_THROWS_AS(trainer.step(images, std::vector{0, 1, 2}), std::invalid_argument);
  CHECK_THROWS_AS(trainer.step(std::span(images).first(7), std::vector{0}), std::invalid_argument);
  CHECK(trainer.updates() == 1);
  CHECK(parameters(model) == before);
  CHECK(std::equal(state.begin(), state.end(), model.state().begin()));
}

// Ten images, of which one has a wrong label.
struct OneWrong {
  static constexpr Shape image{4, 1, 1};
  static constexpr int classes = 3;
  int wrong = 1;
  std::vector<float> one = std::vector<float>(4, 0.5f);
  [[nodiscard]] static std::size_t size() { return 10; }
  [[nodiscard]] int label(std::size_t i) const { return i == 7 ? wrong : 1; }
  [[nodiscard]] std::span<const float> pixels(std::size_t) const { return one; }
};

TEST_CASE("a wrong label is reported with the index of its image in the data set") {
  Model<Sequential<Input<4, 1, 1>, Flatten, Dense<3>>> model{{.batch = 4, .threads = 1, .seed = 1}};
  const std::vector<float> before = parameters(model);
  for (const int wrong : {3, -1, 255}) {
    const std::string expected = "strata: image 7 has label " + std::to_string(wrong) + "; expected 0 to 2";
    const OneWrong bad{wrong}, good{};
    CHECK_THROWS_WITH_AS(evaluate(model, bad), expected.c_str(), std::invalid_argument);
    CHECK_THROWS_WITH_AS(train(model, good, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0},
                               {.epochs = 1, .validation = bad, .verbose = false}),
                         expected.c_str(), std::invalid_argument);
    // The images are shuffled.
    CHECK_THROWS_WITH_AS(train(model, bad, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0}, {.epochs = 1, .verbose = false}),
                         expected.c_str(), std::invalid_argument);
  }
  CHECK(parameters(model) == before);
}

// --- Numbers that are none ----------------------------------------------------------------------------------------------

TEST_CASE("a batch that is not finite leaves BatchNorm's statistics finite") {
  using Normed = Sequential<Input<4, 4, 2>, BatchNorm, Conv<3, 4>, BatchNorm, Flatten, Dense<3>>;
  Model<Normed> model{{.batch = 2, .threads = 1, .seed = 1}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1});
  std::vector<float> images(64, 1.f);
  for (std::size_t i = 0; i < images.size(); i += 3) images[i] = 0.5f;
  const std::vector<int> labels{0, 1};
  trainer.step(images, labels);
  const std::vector<float> state(model.state().begin(), model.state().end());
  images[1] = infinity;  // of channel 1
  CHECK_THROWS_AS(trainer.step(images, labels), NotFiniteError);
  const std::span<const float> after = model.state();
  // moving_mean of both channels, moving_variance of both; then of the four behind.
  CHECK(after[0] != state[0]);
  CHECK(after[2] != state[2]);
  for (const std::size_t i : {1U, 3U, 4U, 5U, 6U, 7U, 8U, 9U, 10U, 11U}) CHECK(after[i] == state[i]);
  images[1] = 1;
  CHECK(std::isfinite(trainer.step(images, labels).loss));
  for (const float y : model.predict(images)) CHECK(std::isfinite(y));
}

TEST_CASE("a loss that is not finite ends the step with its layer, and changes nothing") {
  auto model = model_of();
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1});
  std::vector<float> images(16, 1.f);
  const std::vector<int> labels{0, 1, 2, 0};
  trainer.step(images, labels);
  const auto fails = [&](int layer, const std::string& says) {
    const auto before = parameters(model);
    try {
      trainer.step(images, labels);
      FAIL("no error");
    } catch (const NotFiniteError& e) {
      CHECK(e.layer() == layer);
      CHECK(e.update() == 1);
      const std::string what = e.what();
      INFO(what);
      CHECK(what.find("the loss of update 1 is NaN or infinite") != std::string::npos);
      CHECK(what.find(says) != std::string::npos);
    }
    const auto after = parameters(model);
    bool same = true;
    for (std::size_t i = 0; i < before.size(); ++i)
      same = same && (before[i] == after[i] || (std::isnan(before[i]) && std::isnan(after[i])));
    CHECK(same);
    CHECK(trainer.updates() == 1);
  };
  const std::size_t first_bias = 4 * 8, second = first_bias + 8;
  float& late = model.parameters()[second];
  const float was = late;
  late = infinity;
  fails(4, "layer 4 (Dense)");
  // The ReLU behind works in place: the Dense has to be found all the same.
  model.parameters()[first_bias] = std::nanf("");
  fails(2, "layer 2 (Dense)");
  images[3] = infinity;
  fails(0, "the images");
  images[3] = 1;
  model.parameters()[first_bias] = 0;
  late = was;
  trainer.step(images, labels);
  CHECK(trainer.updates() == 2);
}

TEST_CASE("the layer is found within what runs as one block") {
  Model<Sequential<Input<6, 6, 1>, Conv<3, 4>, ReLU, MaxPool<2>, Conv<3, 4>, ReLU, MaxPool<3>, Flatten, Dense<3>>> model{
      {.batch = 4, .threads = 2}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{});
  const std::vector<float> images(144, 1.f);
  const std::vector<int> labels{0, 1, 2, 0};
  model.parameters()[9 * 4 + 4] = infinity;  // of the second convolution
  try {
    trainer.step(images, labels);
    FAIL("no error");
  } catch (const NotFiniteError& e) {
    CHECK(e.layer() == 4);
  }
}

TEST_CASE("training that diverges says so") {
  auto model = model_of();
  try {
    train(model, data(30), SoftmaxCrossEntropy{}, SGD{.learning_rate = 1e30}, {.epochs = 5, .verbose = false});
    FAIL("no error");
  } catch (const NotFiniteError& e) {
    CHECK(e.update() >= 1);
    CHECK(e.layer() >= 2);
    CHECK(std::string(e.what()).find("lower learning rate") != std::string::npos);
  }
}

TEST_CASE("a last update that was too large is found by the validation, and nothing of it is kept") {
  auto model = model_of();
  REQUIRE(model.options().batch == 4);
  // Two steps: the first changes nothing, the second everything, and no loss comes after it.
  TrainOptions<Data> options{.epochs = 1, .verbose = false};
  const SGD optimizer{.learning_rate = WarmUp{ConstantRate{1e38}, 2}};
  CHECK(train(model, data(8), SoftmaxCrossEntropy{}, optimizer, options).size() == 1);
  options.validation = data(6);
  int told = 0;
  options.on_epoch = [&](std::span<const EpochRecord>) { ++told; };
  auto other = model_of();
  try {
    train(other, data(8), SoftmaxCrossEntropy{}, optimizer, options);
    FAIL("no error");
  } catch (const NotFiniteError& e) {
    CHECK(e.update() == 2);
    CHECK(e.layer() >= 2);
    CHECK(std::string(e.what()).find("the validation loss after update 2 is NaN or infinite") != std::string::npos);
  }
  CHECK(told == 0);
  CHECK_FALSE(std::isfinite(evaluate(other, data(6)).loss));
}

TEST_CASE("outputs that are not numbers are never right") {
  using Plain = Sequential<Input<1, 1, 3>, Flatten>;
  Model<Plain> model{{.batch = 4, .threads = 1}};
  const std::vector<float> images{9, 0, 0, std::nanf(""), 0, 0, 0, std::nanf(""), 0, 0, 0, 9};
  const ArrayDataset<Shape{1, 1, 3}, 3> d(images, {0, 0, 1, 0});
  const Evaluation e = evaluate(model, d, Unchecked<SoftmaxCrossEntropy>{});
  CHECK(e.accuracy == 0.25);
  CHECK(std::isnan(e.loss));
  CHECK(e.confusion.at(0, -1) == 1);
  CHECK(e.confusion.at(1, -1) == 1);
  CHECK(e.confusion.at(0, 2) == 1);
}

TEST_CASE("evaluation is by any loss") {
  const std::vector<float> images{1, 0, 0, 0.5f, 0.5f, 0};
  const ArrayDataset<Shape{1, 1, 3}, 3> d(images, {0, 2});
  Model<Sequential<Input<1, 1, 3>, Flatten>> plain{{.batch = 1, .threads = 1}};
  CHECK(evaluate(plain, d, MeanSquaredError{}).loss == doctest::Approx((0 + 1.5 / 3) / 2));
  CHECK(evaluate(plain, d, MeanSquaredError{}).accuracy == 0.5);
  const auto cross = [](double a, double b, double c, double label) {
    return std::log(std::exp(a) + std::exp(b) + std::exp(c)) - label;
  };
  const double expected = (cross(1, 0, 0, 1) + cross(0.5, 0.5, 0, 0)) / 2;
  Model<Sequential<Input<1, 1, 3>, Flatten, LogSoftmax>> logs{{.batch = 2, .threads = 1}};
  CHECK(evaluate(logs, d, NegativeLogLikelihood{}).loss == doctest::Approx(expected));
  Model<Sequential<Input<1, 1, 3>, Flatten, Softmax>, Cpu, Inference> shares{{.batch = 2, .threads = 1}};
  CHECK(evaluate(shares, d, CrossEntropy{}).loss == doctest::Approx(expected));
}

TEST_CASE("the most confident mistakes are kept, and no more") {
  // Logits as images. Sample 0 is right, and 3 is none: infinite, no class has a probability.
  const float none = infinity;
  const std::vector<float> images{9, 0, 0, 0, 1, 0, 2, 0, 0, none, 0, 0, 0, 0, 3, 0, 2, 0, 1, 0, 0};
  const ArrayDataset<Shape{1, 1, 3}, 3> d(images, {0, 0, 1, 1, 0, 2, 0});
  Model<Sequential<Input<1, 1, 3>, Flatten>> logits{{.batch = 2, .threads = 1}};
  const auto all = evaluate(logits, d, SoftmaxCrossEntropy{}, {.mistakes = 9}).mistakes;
  REQUIRE(all.size() == 4);
  const std::vector<std::size_t> samples{4, 2, 5, 1};  // 2 and 5 are equals
  for (std::size_t i = 0; i < 4; ++i) CHECK(all[i].sample == samples[i]);
  CHECK(all[0].label == 0);
  CHECK(all[0].predicted == 2);
  CHECK(all[0].probability == doctest::Approx(std::exp(3) / (std::exp(3) + 2)));
  CHECK(all[0].label_probability == doctest::Approx(1 / (std::exp(3) + 2)));
  CHECK(all[1].probability == all[2].probability);
  const auto two = evaluate(logits, d, SoftmaxCrossEntropy{}, {.mistakes = 2}).mistakes;
  REQUIRE(two.size() == 2);
  CHECK(two[1].sample == 2);
  CHECK(evaluate(logits, d).mistakes.empty());

  // The same probabilities, whatever the network ends in; of other losses what they take for one.
  Model<Sequential<Input<1, 1, 3>, Flatten, LogSoftmax>> logs{{.batch = 3, .threads = 1}};
  Model<Sequential<Input<1, 1, 3>, Flatten, Softmax>, Cpu, Inference> shares{{.batch = 7, .threads = 1}};
  for (const auto& same : {evaluate(logs, d, NegativeLogLikelihood{}, {.mistakes = 1}).mistakes,
                           evaluate(shares, d, CrossEntropy{}, {.mistakes = 1}).mistakes}) {
    CHECK(same.at(0).sample == 4);
    CHECK(same.at(0).probability == doctest::Approx(all[0].probability));
  }
  CHECK(evaluate(logits, d.subset(4, 1), MeanSquaredError{}, {.mistakes = 1}).mistakes.at(0).probability == 3);
  CHECK(evaluate(logits, d.subset(4, 1), SigmoidCrossEntropy{}, {.mistakes = 1}).mistakes.at(0).probability ==
        doctest::Approx(1 / (1 + std::exp(-3))));
}

TEST_CASE("dropout can be left on, and nothing else is") {
  constexpr int n = 4096;
  Model<Sequential<Input<1, 1, n>, BatchNorm, Flatten, Dropout<0.25>>, Cpu, Inference> model{{.batch = 2, .threads = 1}};
  const std::vector<float> images(2 * n, 3.f), state(model.state().begin(), model.state().end());
  const auto drawn = [&](std::uint64_t draw) {
    const auto out = model.predict_with_dropout(images, draw);
    return std::vector<float>(out.begin(), out.end());
  };
  const auto y = model.predict(images);
  const std::vector<float> plain(y.begin(), y.end()), first = drawn(0), second = drawn(1);
  int dropped = 0, both = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    REQUIRE(plain[i] > 2.9f);  // by the running statistics, and not by the batch's, which would give 0
    REQUIRE((first[i] == 0 || first[i] == doctest::Approx(plain[i] / 0.75f)));
    dropped += first[i] == 0, both += first[i] == 0 && second[i] == 0;
  }
  // Within five deviations of what chance gives to 8192 numbers.
  CHECK(std::abs(dropped / 8192.0 - 0.25) < 5 * std::sqrt(0.25 * 0.75 / 8192));
  CHECK(std::abs(both / 8192.0 - 0.0625) < 5 * std::sqrt(0.0625 * 0.9375 / 8192));
  CHECK(drawn(0) == first);
  CHECK(state == std::vector<float>(model.state().begin(), model.state().end()));
  CHECK(std::vector<float>(model.predict(images).begin(), model.predict(images).end()) == plain);

  // An image's class is its largest number: lost where that is dropped, and nothing else is right then.
  Model<Sequential<Input<1, 1, 3>, Flatten, Dropout<0.5>>, Cpu, Inference> picks{{.batch = 7, .threads = 1}};
  std::vector<float> pixels;
  std::vector<int> labels;
  for (int i = 0; i < 600; ++i) {
    labels.push_back(i % 3);
    for (int c = 0; c < 3; ++c) pixels.push_back(c == i % 3 ? 2.f : 1.f);
  }
  const ArrayDataset<Shape{1, 1, 3}, 3> d(pixels, labels);
  using Loss = Unchecked<SoftmaxCrossEntropy>;  // a network may end in dropout here
  const Evaluation off = evaluate(picks, d, Loss{}), on = evaluate(picks, d, Loss{}, {.dropout = true});
  CHECK(off.accuracy == 1);
  // Half is kept; where all three are dropped, an eighth of them, class 0 is taken, which is right for a third.
  const double expected = 0.5 + 0.125 / 3;
  CHECK(std::abs(on.accuracy - expected) < 5 * std::sqrt(expected * (1 - expected) / 600));
  CHECK(on.loss > off.loss);
}

// --- How models begin ---------------------------------------------------------------------------------------------------

using Names = Sequential<Input<4, 4, 2>, Conv<3, 4>, BatchNorm, ReLU, Conv<1, 2>, Flatten, Dense<3>>;

TEST_CASE("initializers, for all and for single tensors") {
  Model<Names> plain{{.threads = 1, .seed = 3}};
  CHECK(tensor(plain, "conv2d/bias") == std::vector<float>(4, 0));
  Model<Names> own{
      {.threads = 1,
       .seed = 3,
       .weights = HeNormal{},
       .biases = Constant{0.5},
       .tensors = {
           {"conv2d_1/bias", Constant{1}}, {"dense/kernel", Constant{2}}, {"batch_normalization/gamma", Constant{3}}}}};
  CHECK(tensor(own, "conv2d/bias") == std::vector<float>(4, 0.5f));
  CHECK(tensor(own, "conv2d_1/bias") == std::vector<float>(2, 1));
  CHECK(tensor(own, "dense/bias") == std::vector<float>(3, 0.5f));
  CHECK(tensor(own, "dense/kernel") == std::vector<float>(96, 2));
  CHECK(tensor(own, "batch_normalization/gamma") == std::vector<float>(4, 3));
  CHECK(tensor(own, "batch_normalization/beta") == std::vector<float>(4, 0));
  CHECK(tensor(own, "conv2d_1/kernel") != tensor(plain, "conv2d_1/kernel"));
  // One for a tensor leaves the random numbers of the others alone.
  Model<Names> other{{.threads = 1, .seed = 3, .tensors = {{"conv2d/kernel", Normal{1}}}}};
  CHECK(tensor(other, "conv2d/kernel") != tensor(plain, "conv2d/kernel"));
  CHECK(tensor(other, "conv2d_1/kernel") == tensor(plain, "conv2d_1/kernel"));
}

TEST_CASE("initializers that cannot be meant are refused") {
  const auto refused = [](ModelOptions options, const char* why) {
    options.threads = 1;
    CHECK_THROWS_WITH_AS(Model<Names>{options}, why, std::invalid_argument);
  };
  refused({.weights = Normal{-1}}, "strata: the stddev of a Normal is -1; expected zero or more");
  refused({.biases = Constant{std::nan("")}}, "strata: an initial value is nan; expected a finite number");
  refused({.tensors = {{"dense/bias", Uniform{-2}}}}, "strata: the limit of a Uniform is -2; expected zero or more");
  refused({.tensors = {{"dense_1/bias", Constant{1}}}},
          "strata: an initializer for the tensor dense_1/bias; this network's are conv2d/kernel, conv2d/bias, "
          "batch_normalization/gamma, batch_normalization/beta, batch_normalization/moving_mean, "
          "batch_normalization/moving_variance, conv2d_1/kernel, conv2d_1/bias, dense/kernel, dense/bias");
  refused({.tensors = {{"dense/bias", Constant{1}}, {"dense/bias", Constant{2}}}},
          "strata: two initializers for the tensor dense/bias; expected one");
}

// Its five convolutions and three dense layers, small.
using Paper = Sequential<Input<8, 8, 3>, Conv<3, 32>, ReLU, Conv<3, 4>, ReLU, Conv<3, 4>, ReLU, Conv<3, 4>, ReLU,
                         Conv<3, 4>, ReLU, Flatten, Dense<64>, ReLU, Dense<4>, ReLU, Dense<5>>;

TEST_CASE("the AlexNet paper's initialization") {
  Model<Paper> model{{.threads = 1, .weights = alexnet_paper::weights, .tensors = alexnet_paper::biases()}};
  std::string ones, zeros;
  double squares = 0, count = 0;
  model.for_each_tensor([&](const std::string& name, const TensorInfo& info, std::span<float> values) {
    if (info.role == Role::bias) (values[0] == 1 ? ones : zeros) += name + (values[0] == 1 || values[0] == 0 ? " " : "? ");
    if (info.role == Role::weight)
      for (const float w : values) squares += static_cast<double>(w * w), ++count;
  });
  CHECK(ones == "conv2d_1/bias conv2d_3/bias conv2d_4/bias dense/bias dense_1/bias ");
  CHECK(zeros == "conv2d/bias conv2d_2/bias dense_2/bias ");
  CHECK(count > 10000);
  CHECK(std::sqrt(squares / count) == doctest::Approx(0.01).epsilon(0.03));
}

}  // namespace
