// SPDX-License-Identifier: BSL-1.0
// What recipes ask of training: averages of the weights, schedules of epochs and of the run, tensors that freeze on the
// way, accumulated gradients, the best weights at the end. On the processor and on the emulated GPU; stopped anywhere and
// resumed.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/backend/cuda/steps.hpp>
#include <strata/strata.hpp>

#include "files.hpp"
#include "gpu_emulated.hpp"
#include "numbers_of.hpp"

namespace {

using namespace strata;
using Gpu = emulated::Gpu<>;
using Bfloat16Gpu = emulated::Gpu<cuda::BFloat16>;

// BatchNorm has statistics, Dropout draws random numbers.
using Net = Sequential<Input<4, 4, 1>, Conv<3, 4>, BatchNorm, ReLU, Flatten, Dropout<0.25>, Dense<3>>;
using Data = ArrayDataset<Shape{4, 4, 1}, 3>;

std::vector<float> images(std::size_t n, std::uint64_t seed = 5) {
  std::vector<float> x(n * 16);
  const Random random(seed, Purpose::user);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 2 * random.uniform(i) - 1 + (i % 3 == i / 16 % 3 ? 0.5f : 0.f);
  return x;
}
std::vector<int> labels(std::size_t n) {
  std::vector<int> out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<int>(i % 3);
  return out;
}
Data data(std::size_t n = 22, std::uint64_t seed = 5) { return {images(n, seed), labels(n)}; }
constexpr int steps = 6;  // of an epoch: 22 images, 4 a step

template <class Backend = Cpu>
Model<Net, Backend> model_of() {
  return Model<Net, Backend>{{.batch = 4, .threads = 2, .seed = 1}};
}
const SGD sgd{.learning_rate = 0.05, .momentum = 0.9};

void check_close(const std::vector<float>& got, const std::vector<double>& wanted, double error) {
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(static_cast<double>(got[i]) - wanted[i]) <= error * (1 + std::abs(wanted[i])));
  }
}

// --- Averages of the weights --------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("an EMA follows every update, and changes none", Backend, Cpu, Gpu, Bfloat16Gpu) {
  auto model = model_of<Backend>(), plain = model_of<Backend>();
  Trainer trainer(model, SoftmaxCrossEntropy{}, sgd), other(plain, SoftmaxCrossEntropy{}, sgd);
  trainer.average_by(EMA{.decay = 0.75, .every = 2});
  const std::vector<float> begin = numbers_of(model);
  std::vector<double> average(begin.begin(), begin.end());
  for (int step = 1; step <= 5; ++step) {
    trainer.step(images(4, static_cast<std::uint64_t>(step)), labels(4));
    other.step(images(4, static_cast<std::uint64_t>(step)), labels(4));
    const std::vector<float> now = numbers_of(model);
    CHECK(now == numbers_of(plain));
    if (step % 2 != 0) continue;
    for (std::size_t i = 0; i < now.size(); ++i) average[i] = 0.75 * average[i] + 0.25 * static_cast<double>(now[i]);
  }
  const std::vector<float> x = images(3, 99);
  const auto outputs = [&](auto& m) {
    const auto y = m.predict(x);
    return std::vector<float>(y.begin(), y.end());
  };
  const std::vector<float> now = numbers_of(model);
  trainer.exchange_average();
  const std::vector<float> by_average = outputs(model);  // before the host sees a tensor and puts it back
  check_close(numbers_of(model), average, 1e-6);
  CHECK(numbers_of(model) != now);
  // The average predicts, in the type of the activations too.
  auto copy = model_of<Backend>();
  const std::vector<float> averaged = numbers_of(model);
  std::size_t at = 0;
  copy.for_each_tensor([&](const std::string&, const TensorInfo&, std::span<float> v) {
    for (float& value : v) value = averaged[at++];
  });
  CHECK(by_average == outputs(copy));
  trainer.exchange_average();
  CHECK(outputs(model) == outputs(plain));
  CHECK(numbers_of(model) == now);
}

TEST_CASE_TEMPLATE("Lookahead's network goes on from the average", Backend, Cpu, Gpu, Bfloat16Gpu) {
  auto model = model_of<Backend>(), plain = model_of<Backend>();
  Trainer trainer(model, SoftmaxCrossEntropy{}, sgd), other(plain, SoftmaxCrossEntropy{}, sgd);
  trainer.average_by(Lookahead{.every = 2, .keep = 0.5, .power = 2, .first = 1});
  trainer.plan(3, 9);  // epochs of three updates
  std::vector<float> average;
  for (int step = 1; step <= 9; ++step) {
    CAPTURE(step);
    trainer.step(images(4, static_cast<std::uint64_t>(step)), labels(4));
    other.step(images(4, static_cast<std::uint64_t>(step)), labels(4));
    // By hand: from the end of the first epoch on, after each second update and at the ends of epochs and of the run.
    std::size_t at = 0;
    if (step == 3) average = numbers_of(plain);
    const bool moves = step > 3 && step % 2 == 0, copies = moves || step == 9;
    const float part = static_cast<float>(step) / 9, keep = 0.5f * part * part;
    if (step > 3)
      plain.for_each_tensor([&](const std::string&, const TensorInfo&, std::span<float> v) {
        for (float& x : v) {
          float& a = average[at++];
          if (moves) a = keep * a + (1 - keep) * x;
          if (copies) x = a;
        }
      });
    const std::vector<float> wanted = numbers_of(plain);
    check_close(numbers_of(model), {wanted.begin(), wanted.end()}, 2e-5);
  }
}

TEST_CASE("Lookahead is the recipe's") {
  const Lookahead recipe{.every = 5, .keep = std::pow(0.95, 5), .power = 3, .first = 3};
  const RunContext run{.epoch = 48, .updates = 480};
  CHECK(recipe(140, run).keep == 1);
  CHECK_FALSE(recipe(140, run).copy_back);
  CHECK(recipe(144, run).keep == 0);  // begins with the weights after the third epoch
  CHECK(recipe(146, run).keep == 1);
  CHECK(recipe(145, run).keep == doctest::Approx(std::pow(0.95, 5) * std::pow(145. / 480, 3)));
  CHECK(recipe(145, run).copy_back);
  CHECK(recipe(192, run).keep == 1);  // the end of an epoch: the network takes the average as it is
  CHECK(recipe(192, run).copy_back);
  CHECK(recipe(480, run).copy_back);
  CHECK_THROWS_WITH_AS((void)recipe(5, {}), doctest::Contains("Trainer::plan"), std::invalid_argument);
  // Zhang et al. 2019.
  CHECK(Lookahead{}(5, {}).keep == 0.5);
  CHECK(Lookahead{}(6, {}).keep == 1);
}

TEST_CASE("SWA is the mean of the weights at the ends of epochs") {
  const SWA swa{.first = 2, .every = 2};
  const RunContext run{.epoch = 10};
  const auto keep = [&](std::int64_t updates) { return swa(updates, run).keep; };
  CHECK(keep(10) == 0);
  CHECK(keep(15) == 0);  // training may end here
  CHECK(keep(20) == 0);
  CHECK(keep(25) == 1);
  CHECK(keep(30) == 1);
  CHECK(keep(40) == 0.5);
  CHECK(keep(60) == doctest::Approx(2. / 3));
  CHECK_THROWS_AS((void)swa(10, {}), std::invalid_argument);
}

TEST_CASE_TEMPLATE("validations, the best weights and the trained model have the average", Backend, Cpu, Gpu) {
  const Folder folder;
  auto model = model_of<Backend>();
  const auto history = train(model, data(), SoftmaxCrossEntropy{}, sgd,
                             {.epochs = 2,
                              .validation = data(9, 6),
                              .verbose = false,
                              .checkpoint = Checkpoints{.directory = folder.path},
                              .average = EMA{.decay = 0.9}});
  const Evaluation e = evaluate(model, data(9, 6));
  CHECK(e.loss == history.back().validation_loss.value());
  // A loop of one's own, step by step, ends in the same.
  auto by_hand = model_of<Backend>();
  Trainer trainer(by_hand, SoftmaxCrossEntropy{}, sgd);
  trainer.average_by(EMA{.decay = 0.9});
  Batches batches(data(), {.batch = 4, .seed = 1, .shuffle = true});
  for (std::uint64_t epoch = 0; epoch < 2; ++epoch)
    for (batches.start(epoch); const Batch* b = batches.next();) trainer.step(b->images, b->targets);
  auto raw = model_of<Backend>();
  load_weights(raw, folder.path / "step-000000012.safetensors");
  CHECK(numbers_of(raw) == numbers_of(by_hand));
  trainer.exchange_average();
  CHECK(numbers_of(model) == numbers_of(by_hand));
  auto best = model_of<Backend>();
  load_weights(best, folder.path / "best.safetensors");
  const auto& first = history[0];
  const bool last_is_best = best_epoch(history) != &first;
  CHECK(evaluate(best, data(9, 6)).loss == (last_is_best ? history[1] : first).validation_loss.value());
}

TEST_CASE_TEMPLATE("a step whose loss is not finite leaves the average", Backend, Cpu, Gpu) {
  auto model = model_of<Backend>();
  Trainer trainer(model, SoftmaxCrossEntropy{}, sgd);
  trainer.average_by(EMA{.decay = 0.5});
  trainer.step(images(4), labels(4));
  const auto weights = [&] {
    std::vector<float> all;
    model.for_each_tensor([&](const std::string&, const TensorInfo& info, std::span<float> v) {
      if (info.trainable()) all.insert(all.end(), v.begin(), v.end());
    });
    return all;
  };
  const std::vector<float> before = weights();
  trainer.exchange_average();
  const std::vector<float> average = weights();
  trainer.exchange_average();
  std::vector<float> x = images(4);
  x[3] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(trainer.step(x, labels(4)), NotFiniteError);
  CHECK(weights() == before);
  trainer.exchange_average();
  CHECK(weights() == average);
}

TEST_CASE("averages that cannot be meant are refused") {
  const auto refused = [](const Average& a, const char* why) {
    CHECK_THROWS_WITH_AS(a.validate(), doctest::Contains(why), std::invalid_argument);
  };
  refused(EMA{.decay = 1}, "the decay of an EMA is 1");
  refused(EMA{.decay = std::nan("")}, "the decay of an EMA is nan");
  refused(EMA{.every = 0}, "the step of an EMA is 0");
  refused(SWA{.first = 0}, "the first epoch of an SWA");
  refused(SWA{.every = 0}, "the step of an SWA");
  refused(Lookahead{.every = 0}, "the step of a Lookahead");
  refused(Lookahead{.keep = -1}, "the share that a Lookahead keeps is -1");
  refused(Lookahead{.power = -1}, "the power of a Lookahead");
  refused(Lookahead{.first = -1}, "the epochs before a Lookahead");
  CHECK_NOTHROW(Average(EMA{}).validate());
  CHECK_NOTHROW(Average(Lookahead{}).validate());
  CHECK_NOTHROW(Average{}.validate());
  auto model = model_of();
  Trainer trainer(model, SoftmaxCrossEntropy{}, sgd);
  CHECK_THROWS_AS(trainer.exchange_average(), std::logic_error);
  CHECK_THROWS_AS(train(model, data(), SoftmaxCrossEntropy{}, sgd, {.verbose = false, .average = EMA{.decay = 2}}),
                  std::invalid_argument);
}

// --- Accumulation -------------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("an epoch's last update takes the batches that are left", Backend, Cpu, Gpu) {
  // No BatchNorm and no Dropout: 24 images in batches of 4, three an update, are eight images an update: 2 a epoch of 6.
  using Linear = Sequential<Input<4, 4, 1>, Flatten, Dense<3>>;
  const auto trained = [](int batch, int accumulate, std::size_t n) {
    Model<Linear, Backend> model{{.batch = batch, .threads = 1, .seed = 1}};
    const auto history =
        train(model, data(n), SoftmaxCrossEntropy{}, sgd, {.epochs = 3, .verbose = false, .accumulate = accumulate});
    return std::pair(numbers_of(model), history.back().step);
  };
  const auto [whole, whole_steps] = trained(12, 1, 24);
  const auto [parts, parts_steps] = trained(4, 3, 24);
  CHECK(whole_steps == 6);
  CHECK(parts_steps == 6);
  check_close(parts, {whole.begin(), whole.end()}, 1e-5);
  // Five batches of four: three, then two.
  CHECK(trained(4, 3, 20).second == 6);
  const auto [left, left_steps] = trained(4, 4, 20);
  CHECK(left_steps == 6);
  Model<Linear, Backend> by_hand{{.batch = 16, .threads = 1, .seed = 1}};
  Trainer trainer(by_hand, SoftmaxCrossEntropy{}, sgd);
  Batches batches(data(20), {.batch = 4, .seed = 1, .shuffle = true});
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<float> x;
    std::vector<int> y;
    const auto update = [&] { trainer.step(std::exchange(x, {}), std::exchange(y, {})); };
    for (batches.start(epoch); const Batch* b = batches.next();) {
      x.insert(x.end(), b->images.begin(), b->images.end());
      y.insert(y.end(), b->targets.classes.begin(), b->targets.classes.end());
      if (y.size() == 16) update();
    }
    update();
  }
  const std::vector<float> wanted = numbers_of(by_hand);
  check_close(left, {wanted.begin(), wanted.end()}, 1e-5);
}

TEST_CASE("each batch of an update has its own dropout") {
  using Drop = Sequential<Input<4, 4, 1>, Dropout<0.5>, Flatten, Dense<3>>;
  Model<Drop> model{{.batch = 4, .threads = 1, .seed = 1}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0});
  trainer.reduce_by(std::make_shared<Accumulate<float>>(2));
  const double first = trainer.step(images(4), labels(4)).loss, second = trainer.step(images(4), labels(4)).loss;
  CHECK(trainer.updates() == 1);
  CHECK(first != second);
}

// --- Schedules of epochs and of the run ---------------------------------------------------------------------------------

TEST_CASE("a schedule is told of the run by train()") {
  const auto rates = [](Schedule s, TrainOptions<Data> options = {}) {
    options.epochs = 4, options.verbose = false;
    auto model = model_of();
    std::vector<double> out;
    for (const EpochRecord& r : train(model, data(), SoftmaxCrossEntropy{}, SGD{.learning_rate = s}, options))
      out.push_back(r.learning_rate);
    return out;
  };
  using Rates = std::vector<double>;
  CHECK(rates(PerEpoch{StepDecay{0.5, 0.5, 2}}) == Rates{0.5, 0.5, 0.25, 0.25});
  CHECK(rates(PerEpoch{MultiStep{0.5, 0.5, {1, 3}}}) == Rates{0.5, 0.25, 0.25, 0.125});
  CHECK(rates(PiecewiseLinear{{{0, 0.5}, {4, 0.25}}, Unit::epochs})[1] == doctest::Approx(0.5 - 0.25 * 11 / 24));
  CHECK(rates(PiecewiseLinear{{{0, 0.5}, {1, 0.25}}, Unit::runs})[3] == doctest::Approx(0.5 - 0.25 * 23 / 24));
  // max_steps is the length of the run if it is less.
  TrainOptions<Data> shorter;
  shorter.max_steps = 12;
  CHECK(rates(PiecewiseLinear{{{0, 0.5}, {1, 0.25}}, Unit::runs}, shorter).back() == doctest::Approx(0.5 - 0.25 * 11 / 12));
  // With accumulation an epoch has fewer updates.
  TrainOptions<Data> accumulating;
  accumulating.accumulate = 4;
  CHECK(rates(PiecewiseLinear{{{0, 0.5}, {4, 0.25}}, Unit::epochs}, accumulating)[1] ==
        doctest::Approx(0.5 - 0.25 * 3 / 8));
  // No epoch is better than the one before by a million.
  TrainOptions<Data> validated;
  validated.validation = data(9, 6);
  CHECK(rates(ReduceOnPlateau{.learning_rate = 0.5, .factor = 0.5, .patience = 1, .threshold = 1e6}, validated) ==
        Rates{0.5, 0.5, 0.25, 0.125});
  CHECK_THROWS_WITH_AS(rates(ReduceOnPlateau{}), doctest::Contains("needs a validation"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(rates(PerEpoch{ReduceOnPlateau{}}), doctest::Contains("needs a validation"), std::invalid_argument);
  // A loop of one's own says it itself.
  auto model = model_of();
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = PerEpoch{StepDecay{}}});
  const std::vector<float> before = numbers_of(model);
  CHECK_THROWS_WITH_AS(trainer.step(images(4), labels(4)), doctest::Contains("Trainer::plan"), std::invalid_argument);
  CHECK(numbers_of(model) == before);
  trainer.plan(5);
  CHECK_NOTHROW(trainer.step(images(4), labels(4)));
  CHECK_THROWS_AS(trainer.plan(-1), std::invalid_argument);
}

// --- Groups -------------------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("a tensor is trained for some epochs and then frozen", Backend, Cpu, Gpu) {
  const auto after = [](int epochs, ParameterGroup group) {
    auto model = model_of<Backend>();
    train(model, data(), SoftmaxCrossEntropy{}, sgd, {.epochs = epochs, .verbose = false, .groups = {std::move(group)}});
    std::vector<float> bias, rest;
    model.for_each_tensor([&](const std::string& name, const TensorInfo&, std::span<float> v) {
      std::vector<float>& to = name == "conv2d/bias" ? bias : rest;
      to.insert(to.end(), v.begin(), v.end());
    });
    return std::pair(bias, rest);
  };
  const ParameterGroup two{.tensors = "conv2d/bias", .trained_epochs = 2};
  const ParameterGroup same{.tensors = "conv2d/bias", .trained_updates = 2 * steps};
  const auto at_two = after(2, two), at_three = after(3, two);
  CHECK(at_two.first != after(1, two).first);
  CHECK(at_three.first == at_two.first);
  CHECK(at_three.second != at_two.second);
  CHECK(after(3, same) == at_three);
  // An average leaves a tensor that is frozen as it is, bit for bit.
  if constexpr (Backend::on_host) {
    auto model = model_of<Backend>();
    const auto frozen = [&] {
      std::vector<float> kernel;
      model.for_each_tensor([&](const std::string& name, const TensorInfo&, std::span<float> v) {
        if (name == "conv2d/kernel") kernel.assign(v.begin(), v.end());
      });
      return kernel;
    };
    const std::vector<float> before = frozen();
    train(model, data(), SoftmaxCrossEntropy{}, sgd,
          {.epochs = 3, .verbose = false, .groups = {{.tensors = "conv2d/kernel", .frozen = true}}, .average = EMA{0.7}});
    CHECK(frozen() == before);
  }
  // Without an end it goes on.
  CHECK(after(3, {.tensors = "conv2d/bias"}).first != at_three.first);
}

TEST_CASE("a group says what it is and refuses two ends") {
  CHECK(no_decay_of_biases_and_norms().describe() ==
        "{tensors *, roles bias scale shift slope, learning_rate 1, weight_decay 0}");
  CHECK(ParameterGroup{.tensors = "conv2d/bias", .trained_epochs = 3}.describe() ==
        "{tensors conv2d/bias, roles all, learning_rate 1, weight_decay 1, trained_epochs 3}");
  for (const ParameterGroup& g :
       {ParameterGroup{.trained_epochs = -1}, ParameterGroup{.trained_updates = -1},
        ParameterGroup{.trained_epochs = 1, .trained_updates = 1}, ParameterGroup{.frozen = true, .trained_epochs = 1}})
    CHECK_THROWS_WITH_AS(g.validate(), doctest::Contains("at most one of"), std::invalid_argument);
  auto model = model_of();
  Trainer trainer(model, SoftmaxCrossEntropy{}, sgd);
  trainer.groups({{.tensors = "conv2d/*", .trained_epochs = 1}});
  CHECK_THROWS_WITH_AS(trainer.step(images(4), labels(4)), doctest::Contains("Trainer::plan"), std::invalid_argument);
}

TEST_CASE("a shift with 64 times the rate has the decay of the others") {
  // Without gradients a step is the decay alone.
  using Shift = Sequential<Input<4, 4, 1>, BatchNorm, Flatten, Dense<3>>;
  Model<Shift> model{{.batch = 4, .threads = 1, .seed = 1, .tensors = {{"batch_normalization/beta", Constant{1}}}}};
  model.for_each_tensor([](const std::string& name, const TensorInfo&, std::span<float> v) {
    if (name == "dense/kernel") std::fill(v.begin(), v.end(), 0.f);
  });
  Trainer trainer(model, MeanSquaredError{}, SGD{.learning_rate = 0.01, .weight_decay = 0.5});
  trainer.groups({{.roles = {Role::shift}, .learning_rate = 64, .weight_decay = 1.0 / 64}});
  trainer.step(images(4), labels(4));
  model.for_each_tensor([](const std::string& name, const TensorInfo&, std::span<float> v) {
    if (name == "batch_normalization/beta") CHECK(v[0] == doctest::Approx(1 - 0.01 * 0.5));
  });
}

// --- Class weights ------------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("a class without weight is not learned, and the weights fit the network", Backend, Cpu, Gpu) {
  const auto kernel = [](auto loss) {
    using Linear = Sequential<Input<4, 4, 1>, Flatten, Dense<3, NoBias>>;
    Model<Linear, Backend> model{{.batch = 4, .threads = 2, .seed = 1}};
    const Data twos(images(8), std::vector<int>{2, 0, 2, 2, 1, 2, 2, 2});
    train(model, twos, loss, sgd, {.epochs = 2, .verbose = false});
    return numbers_of(model);
  };
  const std::vector<float> none = kernel(ClassWeighted<3>{.weights = {0, 0, 1}}), plain = kernel(SoftmaxCrossEntropy{}),
                           ones = kernel(ClassWeighted<3>{.weights = {1, 1, 1}});
  CHECK(none != plain);
  check_close(ones, {plain.begin(), plain.end()}, 1e-5);
  // Images of the classes without weight alone change nothing.
  using Linear = Sequential<Input<4, 4, 1>, Flatten, Dense<3, NoBias>>;
  Model<Linear, Backend> same{{.batch = 4, .seed = 1}};
  const std::vector<float> before = numbers_of(same);
  const Data others(images(4), std::vector<int>{0, 1, 1, 0});
  train(same, others, ClassWeighted<3>{.weights = {0, 0, 1}}, sgd, {.verbose = false});
  CHECK(numbers_of(same) == before);
  auto model = model_of<Backend>();
  CHECK_THROWS_WITH_AS(train(model, data(), ClassWeighted<2>{.weights = {1, 1}}, sgd, {.verbose = false}),
                       "strata: a ClassWeighted of 2 classes; the network has outputs for 3", std::invalid_argument);
  CHECK_THROWS_AS(evaluate(model, data(), Unchecked{ClassWeighted<4>{.weights = {1, 1, 1, 1}}}), std::invalid_argument);
}

// --- The best weights ---------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("the model ends with its best weights", Backend, Cpu, Gpu) {
  const auto trained = [](bool restore, Average average) {
    auto model = model_of<Backend>();
    // A rate that grows: the last epoch is the worst.
    const PiecewiseLinear rate{{{0, 0.01}, {5, 30}}, Unit::epochs};
    const auto history = train(
        model, data(), SoftmaxCrossEntropy{}, SGD{.learning_rate = rate},
        {.epochs = 5, .validation = data(9, 6), .verbose = false, .average = std::move(average), .restore_best = restore});
    const EpochRecord* best = best_epoch(history);
    REQUIRE(best != nullptr);
    CHECK(best->epoch < 5);
    return std::pair(evaluate(model, data(9, 6)).loss == best->validation_loss.value(),
                     evaluate(model, data(9, 6)).loss == history.back().validation_loss.value());
  };
  for (const Average& average : {Average{}, Average(EMA{.decay = 0.5})}) {
    CHECK(trained(true, average) == std::pair(true, false));
    CHECK(trained(false, average) == std::pair(false, true));
  }
  auto model = model_of<Backend>();
  CHECK_THROWS_WITH_AS(train(model, data(), SoftmaxCrossEntropy{}, sgd, {.verbose = false, .restore_best = true}),
                       "strata: restore_best needs a validation, which finds the best epoch", std::invalid_argument);
}

// --- Fine-tuning --------------------------------------------------------------------------------------------------------

using Five = Sequential<Input<4, 4, 1>, Conv<3, 4>, BatchNorm, ReLU, Flatten, Dropout<0.25>, Dense<5>>;

template <class M>
std::vector<float> tensor(M& model, const std::string& wanted) {
  std::vector<float> found;
  model.for_each_tensor([&](const std::string& name, const TensorInfo&, std::span<float> v) {
    if (name == wanted) found.assign(v.begin(), v.end());
  });
  REQUIRE_FALSE(found.empty());
  return found;
}

TEST_CASE_TEMPLATE("what fits is loaded, and the report says what did not and why", Backend, Cpu, Gpu) {
  const Folder folder;
  auto trained = model_of<Backend>();
  train(trained, data(), SoftmaxCrossEntropy{}, sgd,
        {.verbose = false, .checkpoint = Checkpoints{.directory = folder.path}, .average = EMA{}});
  const auto file = folder.path / "step-000000006.safetensors";
  trained = model_of<Backend>();
  load_weights(trained, file);
  Model<Five, Backend> model{{.batch = 4, .seed = 2}};
  const std::vector<float> head = tensor(model, "dense/kernel");
  const MatchReport report = load_matching_weights(model, file);
  CHECK(report.loaded.size() == 6);
  CHECK(report.loaded[0] == "conv2d/kernel");
  REQUIRE(report.left.size() == 2);
  CHECK(report.left[0].tensor == "dense/kernel");
  CHECK(report.left[0].why == "the shape is (64, 3) there, (64, 5) here");
  CHECK(report.unused == std::vector<std::string>{"dense/bias", "dense/kernel"});  // and none of optimizer and average
  CHECK(report.text().find("dense/bias: left as it was, the shape is (3) there, (5) here\n") != std::string::npos);
  CHECK(report.text().find("conv2d/bias: loaded\n") != std::string::npos);
  CHECK(report.text().find("dense/kernel: not used\n") != std::string::npos);
  CHECK(tensor(model, "dense/kernel") == head);
  for (const char* name : {"conv2d/kernel", "conv2d/bias", "batch_normalization/beta", "batch_normalization/moving_mean"})
    CHECK(tensor(model, name) == tensor(trained, name));
  // By pattern, and by another name.
  Model<Five, Backend> some{{.batch = 4, .seed = 2}};
  const std::vector<float> kernel = tensor(some, "conv2d/kernel");
  const MatchReport biases =
      load_matching_weights(some, file, {.tensors = {"*/bias", "*/beta"}, .name_in_source = [](const std::string& name) {
                                           return name == "batch_normalization/beta" ? std::string("conv2d/bias") : name;
                                         }});
  CHECK(biases.loaded == std::vector<std::string>{"conv2d/bias", "batch_normalization/beta"});
  CHECK(biases.left[0].why == "not chosen");
  CHECK(tensor(some, "conv2d/kernel") == kernel);
  CHECK(tensor(some, "batch_normalization/beta") == tensor(trained, "conv2d/bias"));
  // From memory.
  Model<Five, Backend> built_in{{.batch = 4, .seed = 2}};
  const std::string held = bytes_of(file);
  CHECK(load_matching_weights(built_in, in_memory(held), "built in").loaded == report.loaded);
  CHECK(numbers_of(built_in) == numbers_of(model));
  CHECK_THROWS_WITH_AS(load_matching_weights(built_in, in_memory(held), "built in", {.tensors = {"conv3d*"}}),
                       doctest::Contains("built in: "), std::invalid_argument);
  // Between models.
  Model<Five, Backend> other{{.batch = 4, .seed = 3}};
  CHECK(copy_matching_weights(trained, other).loaded == report.loaded);
  CHECK(tensor(other, "conv2d/kernel") == tensor(trained, "conv2d/kernel"));

  const std::vector<float> before = numbers_of(other);
  CHECK_THROWS_WITH_AS(load_matching_weights(other, file, {.tensors = {"*", "conv3d*"}}),
                       doctest::Contains("the pattern conv3d* fits no tensor; this network's are conv2d/kernel, "),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(load_matching_weights(other, file, {.tensors = {"dense/*"}}),
                       doctest::Contains("no tensor fits this network:\nconv2d/kernel: left as it was, not chosen"),
                       std::invalid_argument);
  std::string bytes = bytes_of(file);
  bytes[bytes.size() - 1] = static_cast<char>(bytes[bytes.size() - 1] ^ 64);
  for (std::size_t i = bytes.size() - 4000; i < bytes.size(); i += 4) bytes[i] = static_cast<char>(bytes[i] ^ 1);
  put(folder.path / "damaged.safetensors", bytes);
  CHECK_THROWS_AS(load_matching_weights(other, folder.path / "damaged.safetensors"), FileError);
  CHECK_THROWS_AS(load_matching_weights(other, folder.path / "none.safetensors"), FileError);
  CHECK(numbers_of(other) == before);
}

TEST_CASE_TEMPLATE("the outputs of an inner layer are features, and the body of a new network", Backend, Cpu, Gpu) {
  static_assert(std::is_same_v<UpTo<Net, 3>, Sequential<Input<4, 4, 1>, Conv<3, 4>, BatchNorm, ReLU>>);
  static_assert(std::is_same_v<UpTo<Net, -4>, UpTo<Net, 3>> && UpTo<Net, 0>::parameters == 0);
  auto model = model_of<Backend>();
  train(model, data(), SoftmaxCrossEntropy{}, sgd, {.verbose = false});
  const std::vector<float> x = images(9, 6);
  // The head by hand on the features is the network.
  const std::vector<float> flat = features<-2>(model, x), kernel = tensor(model, "dense/kernel"),
                           bias = tensor(model, "dense/bias"), wanted = predict_views(model, x);
  REQUIRE(flat.size() == 9 * 64);
  for (std::size_t n = 0; n < 9; ++n)
    for (std::size_t c = 0; c < 3; ++c) {
      double sum = static_cast<double>(bias[c]);
      for (std::size_t i = 0; i < 64; ++i)
        sum += static_cast<double>(flat[n * 64 + i]) * static_cast<double>(kernel[i * 3 + c]);
      CHECK(static_cast<double>(wanted[n * 3 + c]) == doctest::Approx(sum).epsilon(1e-4));
    }
  CHECK(features<3>(model, x) == flat);
  CHECK(features<0>(model, x) == x);
  // A new head learns on a frozen body.
  using Tuned = Sequential<UpTo<Net, -2>, Dense<2>>;
  Model<Tuned, Backend> tuned{{.batch = 4, .seed = 4}};
  const MatchReport report = copy_matching_weights(model, tuned);
  CHECK(report.loaded.size() == 6);
  const std::vector<float> head = tensor(tuned, "dense/kernel");
  const ArrayDataset<Shape{4, 4, 1}, 2> halves(images(8), std::vector<int>{0, 1, 0, 1, 0, 1, 0, 1});
  train(tuned, halves, SoftmaxCrossEntropy{}, sgd,
        {.verbose = false, .groups = {{.tensors = "conv2d/*", .frozen = true}, {.tensors = "batch_*", .frozen = true}}});
  CHECK(tensor(tuned, "conv2d/kernel") == tensor(model, "conv2d/kernel"));
  CHECK(tensor(tuned, "dense/kernel") != head);
}

// --- Views --------------------------------------------------------------------------------------------------------------

TEST_CASE("a view is moved, reflected, then mirrored") {
  std::vector<float> image(12), seen(12);  // 3x2 of two channels: 10 times the row, plus the column; negated
  for (std::size_t p = 0; p < 6; ++p) {
    image[2 * p] = static_cast<float>(10 * (p / 2) + p % 2);
    image[2 * p + 1] = -image[2 * p];
  }
  const auto rows = [&](const View& view) {
    detail::make_view(view, Shape{3, 2, 2}, image.data(), seen.data(), 1);
    std::vector<int> out;
    for (std::size_t p = 0; p < 6; ++p) {
      out.push_back(static_cast<int>(seen[2 * p]));
      CHECK(seen[2 * p + 1] == -seen[2 * p]);
    }
    return out;
  };
  using Rows = std::vector<int>;
  CHECK(rows({}) == Rows{0, 1, 10, 11, 20, 21});
  CHECK(rows({.mirror = true}) == Rows{1, 0, 11, 10, 21, 20});
  CHECK(rows({.down = 1}) == Rows{10, 11, 0, 1, 10, 11});
  CHECK(rows({.down = -2}) == Rows{20, 21, 10, 11, 0, 1});
  CHECK(rows({.right = 1}) == Rows{1, 0, 11, 10, 21, 20});
  CHECK(rows({.mirror = true, .down = 1, .right = 1}) == Rows{10, 11, 0, 1, 10, 11});
  CHECK_THROWS_AS(detail::check_views(std::vector<View>{{.down = 3}}, Shape{3, 2, 2}), std::invalid_argument);
  CHECK_THROWS_AS(detail::check_views(std::vector<View>{{.right = -2}}, Shape{3, 2, 2}), std::invalid_argument);
  CHECK_THROWS_AS(detail::check_views(std::vector<View>{{.weight = -1}}, Shape{3, 2, 2}), std::invalid_argument);
  CHECK_THROWS_AS(detail::check_views(std::vector<View>{{.weight = 0}}, Shape{3, 2, 2}), std::invalid_argument);
  CHECK_NOTHROW(detail::check_views(std::vector<View>{{.down = -2, .right = 1}}, Shape{3, 2, 2}));
}

TEST_CASE_TEMPLATE("evaluations and predictions are by the mean over the views", Backend, Cpu, Gpu) {
  auto model = model_of<Backend>();
  train(model, data(), SoftmaxCrossEntropy{}, sgd, {.epochs = 2, .verbose = false});
  const std::vector<float> x = images(9, 6);
  std::vector<double> wanted(9 * 3);
  double weights = 0;
  CHECK(mirror_and_shift().size() == 6);
  for (const View& view : mirror_and_shift()) {
    std::vector<float> seen(x.size());
    detail::make_view(view, Net::input, x.data(), seen.data(), 9);
    for (std::size_t n = 0; n < 9; ++n) {
      const auto y = model.predict(std::span<const float>(seen).subspan(n * 16, 16));
      for (std::size_t c = 0; c < 3; ++c) wanted[n * 3 + c] += view.weight * static_cast<double>(y[c]);
    }
    weights += view.weight;
    CHECK(view.weight == (view.down == 0 ? 1 : 0.5));
    CHECK(view.down == view.right);
  }
  for (double& v : wanted) v /= weights;
  const std::vector<float> logits = predict_views(model, x, mirror_and_shift());
  check_close(logits, wanted, 1e-5);
  double loss = 0;
  int right = 0;
  for (std::size_t n = 0; n < 9; ++n) {
    const double* y = &wanted[n * 3];
    loss += std::log(std::exp(y[0]) + std::exp(y[1]) + std::exp(y[2])) - y[n % 3];
    right += predicted_class(std::span<const double>(y, 3)) == static_cast<int>(n % 3);
  }
  const Evaluation e = evaluate(model, data(9, 6), SoftmaxCrossEntropy{}, {.views = mirror_and_shift()});
  CHECK(e.loss == doctest::Approx(loss / 9).epsilon(1e-5));
  CHECK(e.accuracy == doctest::Approx(right / 9.));
  CHECK(e.loss != doctest::Approx(evaluate(model, data(9, 6)).loss).epsilon(1e-4));
  // Without views, the outputs as they are.
  const auto all = predict_views(model, x);
  const auto some = model.predict(std::span<const float>(x).first(4 * 16));
  CHECK(std::vector<float>(all.begin(), all.begin() + 12) == std::vector<float>(some.begin(), some.end()));
  CHECK_THROWS_AS((void)predict_views(model, std::vector<float>(15)), std::invalid_argument);
  CHECK_THROWS_AS(evaluate(model, data(), SoftmaxCrossEntropy{}, {.views = {{.down = 4}}}), std::invalid_argument);
}

// --- Resumed ------------------------------------------------------------------------------------------------------------

struct Outcome {
  std::vector<float> numbers;
  std::vector<double> figures;
  bool operator==(const Outcome&) const = default;
};

// stop_at: steps until training is asked to end; 0: it is not.
template <class Backend, class O>
Outcome outcome(const O& optimizer, TrainOptions<Data> options, int stop_at) {
  auto model = model_of<Backend>();
  int asked = 0;
  if (stop_at > 0) options.stop = [&] { return ++asked == stop_at; };
  Outcome out;
  for (const EpochRecord& r : train(model, data(), SoftmaxCrossEntropy{}, optimizer, options))
    out.figures.insert(out.figures.end(),
                       {static_cast<double>(r.epoch), r.loss, r.accuracy, r.validation_loss.value_or(-1),
                        r.validation_accuracy.value_or(-1), static_cast<double>(r.step), r.learning_rate});
  out.numbers = numbers_of(model);
  return out;
}

template <class Backend, class O>
void stop_everywhere(const O& optimizer, const TrainOptions<Data>& more, int by = 1) {
  TrainOptions<Data> options = more;
  options.epochs = 3, options.verbose = false, options.validation = data(9, 6);
  const Outcome whole = outcome<Backend>(optimizer, options, 0);
  for (int at = 1; at <= 3 * (steps + 3); at += by) {
    CAPTURE(at);
    const Folder folder;
    options.checkpoint = Checkpoints{.directory = folder.path, .every = 2};
    options.resume = false;
    const Outcome first = outcome<Backend>(optimizer, options, at);
    options.resume = true;
    (void)outcome<Backend>(optimizer, options, 2);
    CHECK(outcome<Backend>(optimizer, options, 0) == whole);
    CHECK(outcome<Backend>(optimizer, options, 0) == whole);  // there is nothing left to do
  }
}

TEST_CASE_TEMPLATE("a run with an average goes on as if it had not been stopped", Backend, Cpu, Gpu) {
  const int by = std::is_same_v<Backend, Cpu> ? 1 : 4;
  stop_everywhere<Backend>(sgd, {.average = EMA{.decay = 0.9}}, by);
  stop_everywhere<Backend>(sgd, {.average = SWA{.first = 1}, .restore_best = true}, by);
  stop_everywhere<Backend>(sgd, {.average = Lookahead{.every = 4, .keep = 0.8, .power = 3, .first = 1}}, by);
}

TEST_CASE_TEMPLATE("a run that accumulates, freezes, follows its losses goes on as if it had not been stopped", Backend,
                   Cpu, Gpu) {
  const int by = std::is_same_v<Backend, Cpu> ? 1 : 4;
  stop_everywhere<Backend>(sgd, {.average = EMA{.decay = 0.5}, .accumulate = 4}, by);
  stop_everywhere<Backend>(
      SGD{.learning_rate = ReduceOnPlateau{.learning_rate = 0.1, .factor = 0.5, .patience = 1, .threshold = 0.1}},
      {.restore_best = true}, by);
  stop_everywhere<Backend>(Adam{.learning_rate = PiecewiseLinear{{{0, 0.002}, {0.3, 0.01}, {1, 0}}, Unit::runs}},
                           {.groups = {{.tensors = "conv2d/bias", .trained_epochs = 1}}, .accumulate = 2}, by);
}

TEST_CASE("optimizers with several numbers a weight, and with whole tensors, go on as if they had not been stopped") {
  stop_everywhere<Cpu>(RMSprop{.learning_rate = 0.01, .momentum = 0.5, .centered = true}, {}, 5);
  stop_everywhere<Gpu>(RMSprop{.learning_rate = 0.01, .centered = true}, {}, 9);
  stop_everywhere<Cpu>(Lion{.learning_rate = 0.002, .weight_decay = 0.1}, {}, 5);
  stop_everywhere<Cpu>(LAMB{.learning_rate = 0.02}, {.accumulate = 2}, 5);
}

TEST_CASE_TEMPLATE("RMSprop and Lion learn, and a network without statistics has an average", Backend, Cpu, Gpu) {
  const auto learned = [](auto optimizer) {
    using Linear = Sequential<Input<4, 4, 1>, Flatten, Dense<3>>;
    Model<Linear, Backend> model{{.batch = 4, .threads = 2, .seed = 1}};
    const auto history = train(model, data(), SoftmaxCrossEntropy{}, optimizer,
                               {.epochs = 20, .validation = data(), .verbose = false, .average = EMA{.decay = 0.9}});
    CHECK(evaluate(model, data()).loss == history.back().validation_loss.value());
    CHECK(history.back().validation_loss.value() < 0.6 * history.front().validation_loss.value());
  };
  learned(RMSprop{.learning_rate = 0.01});
  learned(RMSprop{.learning_rate = 0.01, .momentum = 0.5, .centered = true});
  learned(Lion{.learning_rate = 0.01});
}

TEST_CASE("what follows the length of the run binds it") {
  const auto refused = [](const SGD& optimizer, const Average& average) {
    const Folder folder;
    TrainOptions<Data> options{.epochs = 1, .verbose = false, .checkpoint = Checkpoints{.directory = folder.path}};
    options.average = average;
    (void)outcome<Cpu>(optimizer, options, 0);
    options.resume = true, options.epochs = 2;
    CHECK_THROWS_WITH_AS(outcome<Cpu>(optimizer, options, 0), doctest::Contains("\"updates of the run: 6\""), FileError);
  };
  refused(SGD{.learning_rate = PiecewiseLinear{{{0, 0.1}, {1, 0}}, Unit::runs}}, {});
  refused(SGD{.learning_rate = WarmUp{PerEpoch{PiecewiseLinear{{{0, 0.1}, {1, 0}}, Unit::runs}}, 2}}, {});
  refused(sgd, Lookahead{.power = 1});
  refused(sgd, Lookahead{});
  const Folder folder;
  TrainOptions<Data> options{.epochs = 1, .verbose = false, .checkpoint = Checkpoints{.directory = folder.path}};
  options.average = EMA{};
  (void)outcome<Cpu>(sgd, options, 0);
  options.resume = true, options.epochs = 2;
  CHECK_NOTHROW(outcome<Cpu>(sgd, options, 0));
  options.average = EMA{.decay = 0.5};
  CHECK_THROWS_WITH_AS(outcome<Cpu>(sgd, options, 0), doctest::Contains("average of the weights: EMA{decay 0.999"),
                       FileError);
  options.average = {};
  CHECK_THROWS_AS(outcome<Cpu>(sgd, options, 0), FileError);
}

}  // namespace
