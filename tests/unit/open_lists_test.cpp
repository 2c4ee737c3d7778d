// SPDX-License-Identifier: BSL-1.0
// A loss, an optimizer, a schedule and a metric of the user's own; parameter groups; reducers. On the processor and on the
// emulated GPU.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/backend/cuda/steps.hpp>
#include <strata/strata.hpp>
#include <strata/util/pattern.hpp>

#include "files.hpp"
#include "gpu_emulated.hpp"
#include "numbers_of.hpp"

namespace {

using namespace strata;
using Gpu = emulated::Gpu<>;

// Focal loss (Lin et al. 2017) of a softmax: -(1 - p)^gamma log p.
struct Focal {
  double gamma = 2;
  static constexpr Takes takes = Takes::logits;
  [[nodiscard]] std::string describe() const { return "Focal{gamma " + std::to_string(gamma) + "}"; }
  template <class Row>
  STRATA_HOST_DEVICE auto operator()(const Row& row) const {
    using N = typename Row::number;
    N top = row.output(0), sum{0};
    for (int c = 1; c < row.size(); ++c) top = row.output(c) > top ? row.output(c) : top;
    for (int c = 0; c < row.size(); ++c) sum += std::exp(row.output(c) - top);
    const N log_p = row.output(row.label()) - top - std::log(sum), p = std::exp(log_p), g = static_cast<N>(gamma);
    const N weight = std::pow(1 - p, g);
    // d value / d log p
    const N slope = p < 1 ? g * std::pow(1 - p, g - 1) * p * log_p - weight : N{0};
    for (int c = 0; c < row.size(); ++c) row.gradient(c, slope * (row.target(c) - std::exp(row.output(c) - top) / sum));
    return -weight * log_p;
  }
};

// Steps of one length (Bernstein et al. 2018).
struct SignSGD {
  Schedule learning_rate = 0.01;
  [[nodiscard]] static int slot_count() { return 0; }
  void validate() const { learning_rate.validate(); }
  [[nodiscard]] std::string describe() const { return "SignSGD{learning_rate " + learning_rate.describe() + "}"; }
  template <class T>
  struct Element {
    T rate;
    template <class Slots>
    STRATA_HOST_DEVICE T operator()(T w, T g, const Slots&) const {
      return g > 0 ? w - rate : g < 0 ? w + rate : w;
    }
  };
  template <class T>
  [[nodiscard]] Element<T> element(const UpdateStep& u) const {
    return {static_cast<T>(u.learning_rate)};
  }
};

// The gradient of a tensor has its length divided by its norm, as LARS does (You et al. 2017): needs whole tensors.
struct TensorWise {
  Schedule learning_rate = 0.1;
  mutable std::vector<std::string> seen{};
  [[nodiscard]] static int slot_count() { return 1; }
  void validate() const { learning_rate.validate(); }
  [[nodiscard]] std::string describe() const { return "TensorWise{learning_rate " + learning_rate.describe() + "}"; }
  template <class T>
  void update(const UpdateStep& u, const ParameterSlice<T>& slice) const {
    seen.push_back(std::string(slice.name) + " " + std::to_string(slice.info.rank));
    double square = 0;
    for (const T g : slice.gradients) square += static_cast<double>(g) * static_cast<double>(g);
    const T rate = static_cast<T>(u.learning_rate / (std::sqrt(square) + 1e-12));
    for (std::size_t i = 0; i < slice.parameters.size(); ++i) {
      slice.slot(0)[i] += slice.gradients[i];
      slice.parameters[i] -= rate * slice.gradients[i];
    }
  }
};

struct Halving {
  double first = 1;
  [[nodiscard]] double operator()(std::int64_t update) const { return first / std::pow(2., static_cast<double>(update)); }
  void validate() const {
    if (first < 0) throw std::invalid_argument("first is negative");
  }
  [[nodiscard]] std::string describe() const { return "Halving{" + std::to_string(first) + "}"; }
};

using Net = Sequential<Input<3, 3, 1>, Conv<3, 4>, ReLU, Flatten, Dense<3>>;

std::vector<float> images(std::size_t n) {
  std::vector<float> x(n * 9);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 2 * Random(5, Purpose::user).uniform(i) - 1;
  return x;
}
std::vector<int> labels(std::size_t n) {
  std::vector<int> out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<int>(i % 3);
  return out;
}
using Data = ArrayDataset<Shape{3, 3, 1}, 3>;
Data data() { return {images(30), labels(30)}; }

template <class Backend, class Loss, class Optimizer_>
std::vector<float> trained(Loss loss, Optimizer_ optimizer, std::vector<ParameterGroup> groups = {}) {
  Model<Net, Backend> model{{.batch = 10, .seed = 1}};
  train(model, data(), loss, optimizer, {.epochs = 3, .verbose = false, .groups = std::move(groups)});
  return numbers_of(model);
}

TEST_CASE_TEMPLATE("every field of a loss of one's own changes training", Backend, Cpu, Gpu) {
  const SGD sgd{.learning_rate = 0.1};
  CHECK(trained<Backend>(Focal{.gamma = 2}, sgd) != trained<Backend>(Focal{.gamma = 0.5}, sgd));
  CHECK(trained<Backend>(SoftmaxCrossEntropy{.label_smoothing = 0.1}, sgd) != trained<Backend>(SoftmaxCrossEntropy{}, sgd));
  // With gamma 0 it is the cross-entropy.
  const auto focal = trained<Backend>(Focal{.gamma = 0}, sgd), plain = trained<Backend>(SoftmaxCrossEntropy{}, sgd);
  for (std::size_t i = 0; i < plain.size(); ++i) CHECK(focal[i] == doctest::Approx(plain[i]).epsilon(1e-4));
}

TEST_CASE("a loss of one's own is recorded: a run with another number is not resumed") {
  const Folder folder;
  const auto run = [&](double gamma, bool resume) {
    Model<Net> model{{.batch = 10, .seed = 1}};
    train(model, data(), Focal{.gamma = gamma}, SignSGD{},
          {.epochs = 1, .verbose = false, .checkpoint = Checkpoints{.directory = folder.path}, .resume = resume});
  };
  run(2, false);
  CHECK_NOTHROW(run(2, true));
  CHECK_THROWS_WITH_AS(run(1, true), doctest::Contains("Focal{gamma 2"), FileError);
}

TEST_CASE_TEMPLATE("an optimizer of one's own, element by element", Backend, Cpu, Gpu) {
  Model<Net, Backend> model{{.batch = 10, .seed = 1}};
  const std::vector<float> before = numbers_of(model);
  Trainer trainer(model, SoftmaxCrossEntropy{}, SignSGD{.learning_rate = Halving{0.5}});
  trainer.step(images(10), labels(10));
  std::vector<float> after = numbers_of(model);
  int moved = 0;
  for (std::size_t i = 0; i < after.size(); ++i) {
    const double step = std::abs(static_cast<double>(after[i] - before[i]));
    moved += step > 0;
    CHECK((step == 0 || step == doctest::Approx(0.5)));
  }
  CHECK(moved > 30);
  const std::vector<float> first = after;
  trainer.step(images(10), labels(10));
  after = numbers_of(model);
  for (std::size_t i = 0; i < after.size(); ++i) {
    const double step = std::abs(static_cast<double>(after[i] - first[i]));
    CHECK((step == 0 || step == doctest::Approx(0.25)));  // the schedule of one's own
  }
}

TEST_CASE("an optimizer that works on whole tensors knows them") {
  Model<Net> model{{.batch = 10, .seed = 1}};
  const std::vector<float> before = numbers_of(model);
  Trainer trainer(model, SoftmaxCrossEntropy{}, TensorWise{});
  trainer.step(images(10), labels(10));
  CHECK(trainer.optimizer().seen ==
        std::vector<std::string>{"conv2d/kernel 4", "conv2d/bias 1", "dense/kernel 2", "dense/bias 1"});
  const std::vector<float> after = numbers_of(model);
  std::size_t at = 0;
  for (const std::size_t size : {36U, 4U, 108U, 3U}) {
    double square = 0;
    for (std::size_t i = at; i < at + size; ++i) square += std::pow(static_cast<double>(after[i] - before[i]), 2);
    CHECK(std::sqrt(square) == doctest::Approx(0.1).epsilon(1e-4));
    at += size;
  }
  CHECK(std::any_of(trainer.memory(0).begin(), trainer.memory(0).end(), [](float x) { return x != 0; }));
}

// --- Parameter groups
// -----------------------------------------------------------------------------------------------------

TEST_CASE("patterns") {
  using detail::matches;
  CHECK(matches("*", ""));
  CHECK(matches("conv2d*/kernel", "conv2d_1/kernel"));
  CHECK(matches("conv2d?1/*", "conv2d_1/bias"));
  CHECK(matches("*a*b", "xxaxxabxb"));
  CHECK_FALSE(matches("conv2d/*", "conv2d_1/bias"));
  CHECK_FALSE(matches("?", ""));
  CHECK_FALSE(matches("dense", "dense/bias"));
}

// Offsets: kernel 0, bias 36, dense kernel 40, bias 148, end 151.
double change(const std::vector<float>& a, const std::vector<float>& b, std::size_t first, std::size_t end) {
  double sum = 0;
  for (std::size_t i = first; i < end; ++i) sum += std::abs(static_cast<double>(a[i] - b[i]));
  return sum;
}

TEST_CASE_TEMPLATE("frozen tensors stay to the bit, factors scale the rate and the decay", Backend, Cpu, Gpu) {
  Model<Net, Backend> model{{.batch = 10, .seed = 1}};
  const std::vector<float> before = numbers_of(model);
  const SGD sgd{.learning_rate = 0.1};
  const auto once = [&](std::vector<ParameterGroup> groups, SGD optimizer) {
    Model<Net, Backend> fresh{{.batch = 10, .seed = 1}};
    Trainer trainer(fresh, SoftmaxCrossEntropy{}, optimizer);
    trainer.groups(std::move(groups));
    trainer.step(images(10), labels(10));
    return numbers_of(fresh);
  };
  const auto plain = once({}, sgd);
  const auto frozen = once({{.tensors = "conv2d/*", .frozen = true}}, sgd);
  CHECK(change(frozen, before, 0, 40) == 0);
  CHECK(change(frozen, plain, 40, 151) == 0);
  const auto half = once({{.tensors = "*/kernel", .learning_rate = 0.5}}, sgd);
  CHECK(change(half, before, 0, 36) == doctest::Approx(change(plain, before, 0, 36) / 2).epsilon(1e-4));
  CHECK(change(half, plain, 36, 40) == 0);
  const auto product =
      once({{.tensors = "*/kernel", .learning_rate = 0.5}, {.roles = {Role::weight}, .learning_rate = 0.5}}, sgd);
  CHECK(change(product, before, 0, 36) == doctest::Approx(change(plain, before, 0, 36) / 4).epsilon(1e-4));
  // Decay of kernels alone. Biases begin at 0, so they get two steps.
  const SGD decay{.learning_rate = 0.1, .weight_decay = 0.5};
  const auto twice = [&](std::vector<ParameterGroup> groups, const SGD& optimizer) {
    Model<Net, Backend> fresh{{.batch = 10, .seed = 1, .biases = Constant{0.5}}};
    Trainer trainer(fresh, SoftmaxCrossEntropy{}, optimizer);
    trainer.groups(std::move(groups));
    trainer.step(images(10), labels(10));
    return numbers_of(fresh);
  };
  const auto none = twice({}, sgd), all = twice({}, decay), kernels = twice({no_decay_of_biases_and_norms()}, decay);
  CHECK(change(kernels, all, 0, 36) == 0);
  CHECK(change(kernels, all, 36, 40) > 0.05);
  CHECK(change(kernels, none, 36, 40) == 0);
  CHECK(change(kernels, none, 40, 148) > 0.1);
}

TEST_CASE_TEMPLATE("the norm that clips does not count frozen tensors", Backend, Cpu, Gpu) {
  Model<Net, Backend> model{{.batch = 10, .seed = 1}};
  const std::vector<float> before = numbers_of(model);
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 1});
  trainer.groups({{.tensors = "dense/*", .frozen = true}});
  trainer.clip_gradients(0.01);
  trainer.step(images(10), labels(10));
  const std::vector<float> after = numbers_of(model);
  double square = 0;
  for (std::size_t i = 0; i < after.size(); ++i) square += std::pow(static_cast<double>(after[i] - before[i]), 2);
  CHECK(std::sqrt(square) == doctest::Approx(0.01).epsilon(1e-4));
  CHECK(change(after, before, 40, 151) == 0);
}

TEST_CASE_TEMPLATE("gradients whose norm is not finite are not applied, though the loss is", Backend, Cpu, Gpu) {
  using Two = Sequential<Input<1, 1, 4>, Flatten, Dense<6>, Dense<3>>;
  Model<Two, Backend> model{{.batch = 4, .seed = 1}};
  // The first layer gives zeros, so the loss is log 3. Its gradients are 1e30 times the 1e20 of the second layer.
  model.for_each_tensor([](const std::string& name, const TensorInfo&, std::span<float> values) {
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = name == "dense_1/kernel" ? 1e20f * static_cast<float>(i % 3) : 0.f;
  });
  const std::vector<float> huge(16, 1e30f), small(16, 1e-30f), before = numbers_of(model);
  const std::vector<int> same(4, 0), mixed{0, 1, 0, 1};
  const Adam adam{.learning_rate = 1e-3};
  Trainer trainer(model, SoftmaxCrossEntropy{}, adam);
  trainer.clip_gradients(1);
  for (int round = 0; round < 3; ++round) {  // the GPU runs a graph from the second on
    try {
      trainer.step(huge, same);
      FAIL("no error");
    } catch (const NotFiniteError& e) {
      CHECK(e.update() == 0);
      CHECK(e.layer() == -1);
      CHECK(std::string(e.what()) ==
            "strata: the loss of update 0 is finite, but the norm of its gradients is NaN or "
            "infinite; try a lower learning rate");
    }
    CHECK(numbers_of(model) == before);
    CHECK(trainer.updates() == 0);
    trainer.download();
    for (const int slot : {0, 1})
      for (const float m : trainer.memory(slot)) CHECK(m == 0);
  }
  CHECK(std::isfinite(trainer.step(small, mixed).loss));
  CHECK(trainer.updates() == 1);
  CHECK(numbers_of(model) != before);

  // Frozen tensors are not updated, so their gradients may be anything.
  Model<Two, Backend> other{{.batch = 4, .seed = 1}};
  other.for_each_tensor([&, at = std::size_t{0}](const std::string&, const TensorInfo&, std::span<float> values) mutable {
    for (float& v : values) v = before[at++];
  });
  Trainer partly(other, SoftmaxCrossEntropy{}, adam);
  partly.clip_gradients(1);
  partly.groups({{.tensors = "dense/*", .frozen = true}});
  CHECK(std::isfinite(partly.step(huge, same).loss));

  // In train(), where a GPU has queued more steps by then.
  other.for_each_tensor([&, at = std::size_t{0}](const std::string&, const TensorInfo&, std::span<float> values) mutable {
    for (float& v : values) v = before[at++];
  });
  std::vector<float> many(20 * 4, 1e30f);
  const ArrayDataset<Shape{1, 1, 4}, 3> set(many, std::vector<int>(20, 1));
  CHECK_THROWS_AS(train(other, set, SoftmaxCrossEntropy{}, adam, {.epochs = 2, .verbose = false, .clip_norm = 1}),
                  NotFiniteError);
  CHECK(numbers_of(other) == before);
}

TEST_CASE("groups that fit nothing or make no sense are refused, and recorded ones bind a run") {
  Model<Net> model{{.batch = 10, .seed = 1}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{});
  CHECK_THROWS_WITH_AS(
      trainer.groups({{.tensors = "conv3d/*"}}),
      "strata: the parameter group {tensors conv3d/*, roles all, learning_rate 1, weight_decay 1} fits no tensor; "
      "this network's are conv2d/kernel, conv2d/bias, dense/kernel, dense/bias",
      std::invalid_argument);
  CHECK_THROWS_WITH_AS(trainer.groups({{.roles = {Role::scale}}}), doctest::Contains("fits no tensor"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(trainer.groups({{.learning_rate = -1}}), doctest::Contains("is -1; expected zero or more"),
                       std::invalid_argument);
  const Folder folder;
  const auto run = [&](std::vector<ParameterGroup> groups, bool resume) {
    Model<Net> fresh{{.batch = 10, .seed = 1}};
    train(fresh, data(), SoftmaxCrossEntropy{}, SGD{},
          {.epochs = 1,
           .verbose = false,
           .checkpoint = Checkpoints{.directory = folder.path},
           .resume = resume,
           .groups = std::move(groups)});
  };
  run({{.tensors = "dense/*", .learning_rate = 2}}, false);
  CHECK_NOTHROW(run({{.tensors = "dense/*", .learning_rate = 2}}, true));
  CHECK_THROWS_WITH_AS(run({{.tensors = "dense/*", .learning_rate = 3}}, true), doctest::Contains("parameter group"),
                       FileError);
}

// --- Reducers
// -------------------------------------------------------------------------------------------------------------

// The mean over parts of a batch is that over the batch.
TEST_CASE_TEMPLATE("accumulated gradients of parts equal one large batch", Backend, Cpu, Gpu) {
  const auto x = images(12);
  const auto y = labels(12);
  const auto close = [](const std::vector<float>& a, const std::vector<float>& b) {
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-4));
  };
  Model<Net, Backend> whole{{.batch = 12, .seed = 1}}, parts{{.batch = 4, .seed = 1}};
  Trainer one(whole, SoftmaxCrossEntropy{}, Adam{.learning_rate = 0.01});
  Trainer three(parts, SoftmaxCrossEntropy{}, Adam{.learning_rate = 0.01});
  three.reduce_by(std::make_shared<Accumulate<float>>(3));
  const std::span<const float> all(x);
  for (int update = 0; update < 4; ++update) {  // captured graphs are replayed from the second on
    one.step(x, y);
    for (std::size_t part = 0; part < 3; ++part) {
      const std::vector<float> before = numbers_of(parts);
      three.step(all.subspan(part * 36, 36), std::span(y).subspan(part * 4, 4));
      CHECK((numbers_of(parts) == before) == (part < 2));
    }
    CHECK(three.updates() == one.updates());
    close(numbers_of(parts), numbers_of(whole));
  }
  CHECK_THROWS_WITH_AS(Accumulate<float>(0), "strata: gradients are accumulated over 0 steps; expected at least 1",
                       std::invalid_argument);
}

// A reducer sees every gradient once through ready(), the last layers' first, and may change them all.
struct Recorder final : Reducer<float> {
  std::vector<std::pair<std::int64_t, std::int64_t>> parts;
  float* base = nullptr;
  bool drop = false;
  void ready(GradientEngine<float>&, int, float* gradients, std::int64_t count) override {
    parts.emplace_back(reinterpret_cast<std::intptr_t>(gradients), count);
  }
  void reduce(GradientEngine<float>& engine, int, float* gradients, std::int64_t count) override {
    base = gradients;
    if (drop) engine.scale_add(count, 0.f, gradients, false, gradients);
  }
  [[nodiscard]] std::string describe() const override { return "Recorder"; }
};

TEST_CASE_TEMPLATE("a reducer hears of all gradients before the update", Backend, Cpu, Gpu) {
  Model<Net, Backend> model{{.batch = 10, .seed = 1}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{});
  const auto recorder = std::make_shared<Recorder>();
  trainer.reduce_by(recorder);
  trainer.step(images(10), labels(10));
  std::int64_t all = 0;
  for (const auto& [at, count] : recorder->parts) all += count;
  CHECK(all == Net::parameters);
  for (std::size_t i = 1; i < recorder->parts.size(); ++i) CHECK(recorder->parts[i].first < recorder->parts[i - 1].first);
  CHECK(recorder->parts.back().first == reinterpret_cast<std::intptr_t>(recorder->base));
  recorder->drop = true;
  trainer.reduce_by(recorder);  // what was captured is forgotten
  const std::vector<float> before = numbers_of(model);
  trainer.step(images(10), labels(10));
  CHECK(numbers_of(model) == before);
}

TEST_CASE_TEMPLATE("a reducer begins anew with each trainer", Backend, Cpu, Gpu) {
  const auto reducer = std::make_shared<Accumulate<float>>(2);
  const auto trained_by = [](std::shared_ptr<Accumulate<float>> by, int steps) {
    Model<Net, Backend> model{{.batch = 10, .seed = 1}};
    Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1});
    trainer.reduce_by(std::move(by));
    for (int i = 0; i < steps; ++i) trainer.step(images(10), labels(10));
    return numbers_of(model);
  };
  trained_by(reducer, 3);  // leaves half of an update
  CHECK(trained_by(reducer, 2) == trained_by(std::make_shared<Accumulate<float>>(2), 2));
}

TEST_CASE("a run that accumulates is not checkpointed") {
  const Folder folder;
  Model<Net> model{{.batch = 10, .seed = 1}};
  const auto run = [&](bool checkpoint) {
    TrainOptions<Data> options{.epochs = 2, .verbose = false};
    options.reducer = std::make_shared<Accumulate<float>>(3);
    if (checkpoint) options.checkpoint = Checkpoints{.directory = folder.path};
    return train(model, data(), SoftmaxCrossEntropy{}, SGD{}, options);
  };
  CHECK(run(false).back().step == 2);  // six batches
  // What is left of an epoch goes on in the next, and nothing can count the updates of an epoch.
  TrainOptions<Data> options{.epochs = 4, .verbose = false};
  options.reducer = std::make_shared<Accumulate<float>>(4);
  CHECK(train(model, data(), SoftmaxCrossEntropy{}, SGD{}, options).back().step == 3);  // twelve batches
  options.average = SWA{};
  CHECK_THROWS_AS(train(model, data(), SoftmaxCrossEntropy{}, SGD{}, options), std::invalid_argument);
  CHECK_THROWS_WITH_AS(
      run(true), "strata: checkpoints do not work with a reducer that accumulates gradients; use the option accumulate",
      std::invalid_argument);
}

}  // namespace
