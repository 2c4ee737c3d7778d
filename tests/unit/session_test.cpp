// SPDX-License-Identifier: BSL-1.0
// Sessions predict with the weights of a model from several threads; models are moved and copied.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/strata.hpp>

namespace {
using namespace strata;

// With everything that has memory of its own between calls: branches, state, places of maxima.
using Net = Sequential<Input<12, 12, 3>, Conv<3, 8, Same>, BatchNorm, ReLU, MaxPool<2>, Residual<Conv<3, 8, Same>, ReLU>,
                       Concat<Conv<1, 4>, Conv<3, 4, Same>>, Flatten, Dense<24>, ReLU, Dropout<0.5>, Dense<10>>;
constexpr std::size_t one = 12 * 12 * 3;

std::vector<float> images(std::size_t n, std::uint64_t seed) {
  std::vector<float> v(n * one);
  const Random random(seed, Purpose::user);
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = random.uniform(i) - 0.5F;
  return v;
}
std::vector<float> copy_of(std::span<const float> values) { return {values.begin(), values.end()}; }

// Running statistics that differ from those of a new model.
Model<Net> trained(const ModelOptions& options) {
  Model<Net> model(options);
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1});
  for (std::uint64_t step = 0; step < 3; ++step) trainer.step(images(4, step), std::vector<int>{1, 2, 3, 4});
  return model;
}

TEST_CASE("a session gives the model's bits, for every batch and number of threads") {
  for (const int threads : {1, 3}) {
    Model<Net> model = trained({.batch = 16, .threads = threads, .seed = 3});
    auto shared = model.session();
    auto single = model.session({.batch = 1, .threads = 1});
    for (const std::size_t n : {std::size_t{1}, std::size_t{5}, std::size_t{16}}) {
      const auto input = images(n, 100 + n);
      const auto expected = copy_of(model.predict(input));
      REQUIRE(expected.size() == n * 10);
      CHECK(copy_of(shared.predict(input)) == expected);
      CHECK(copy_of(shared.predict_with_dropout(input, 4)) == copy_of(model.predict_with_dropout(input, 4)));
      CHECK(copy_of(shared.predict_with_dropout(input, 4)) != expected);
      if (n == 1) CHECK(copy_of(single.predict(input)) == expected);
    }
    CHECK_THROWS_AS(single.predict(images(2, 1)), std::invalid_argument);
    // The weights are the model's, not a copy.
    for (float& w : model.parameters()) w += 0.01F;
    const auto input = images(1, 7);
    CHECK(copy_of(single.predict(input)) == copy_of(model.predict(input)));
  }
}

TEST_CASE("sessions predict at the same time from several threads") {
  for (const int threads : {1, 2, 4}) {
    const Model<Net> model = trained({.batch = 16, .threads = threads, .seed = 3});
    std::vector<std::vector<float>> inputs, expected;
    auto alone = model.session();
    for (std::uint64_t i = 0; i < 8; ++i) {
      inputs.push_back(images(1 + i * 2, i));
      expected.push_back(copy_of(alone.predict(inputs.back())));
    }
    std::vector<int> wrong(4, 0);
    std::vector<std::thread> callers;
    for (std::size_t caller = 0; caller < wrong.size(); ++caller)
      callers.emplace_back([&, caller] {
        auto session = model.session();
        for (std::size_t round = 0; round < 40; ++round) {
          const std::size_t i = (round + caller) % inputs.size();
          if (copy_of(session.predict(inputs[i])) != expected[i]) ++wrong[caller];
        }
      });
    for (auto& caller : callers) caller.join();
    CHECK(wrong == std::vector<int>(4, 0));
  }
}

TEST_CASE("models that share a pool predict at the same time") {
  const auto pool = std::make_shared<ThreadPool>(3);
  Model<Net> a({.batch = 16, .pool = pool, .seed = 1}), b({.batch = 16, .pool = pool, .seed = 2});
  CHECK(&a.pool() == pool.get());
  CHECK(&b.pool() == pool.get());
  const auto input = images(16, 5);
  const auto of_a = copy_of(a.predict(input)), of_b = copy_of(b.predict(input));
  CHECK(of_a != of_b);
  int wrong = 0;
  std::thread other([&] {
    for (int round = 0; round < 60; ++round) wrong += copy_of(b.predict(input)) != of_b;
  });
  int wrong_here = 0;
  for (int round = 0; round < 60; ++round) wrong_here += copy_of(a.predict(input)) != of_a;
  other.join();
  CHECK(wrong == 0);
  CHECK(wrong_here == 0);
}

TEST_CASE("sessions keep the weights of a model that is gone, or has moved") {
  const auto input = images(2, 9);
  std::optional<Model<Net>> model = trained({.batch = 4, .threads = 2});
  const auto expected = copy_of(model->predict(input));
  auto session = model->session();
  std::vector<Model<Net>> models;
  models.push_back(std::move(*model));
  model.reset();
  CHECK(copy_of(session.predict(input)) == expected);
  CHECK(copy_of(models[0].predict(input)) == expected);
  std::vector<decltype(session)> sessions;
  sessions.push_back(std::move(session));
  models.clear();
  CHECK(copy_of(sessions[0].predict(input)) == expected);
}

TEST_CASE("a session refuses invalid options") {
  const Model<Net> model({.batch = 2, .threads = 1});
  CHECK_THROWS_AS((void)model.session({.batch = -1}), std::invalid_argument);
  CHECK_THROWS_AS((void)model.session({.threads = -1}), std::invalid_argument);
}

TEST_CASE("a copy has the values, and then a life of its own") {
  Model<Net> model = trained({.batch = 4, .threads = 2, .seed = 8});
  const auto input = images(3, 2);
  const auto expected = copy_of(model.predict(input));
  Model<Net> other = model.copy();
  CHECK(other.options().batch == 4);
  CHECK(copy_of(other.state()) == copy_of(model.state()));
  CHECK(copy_of(other.predict(input)) == expected);
  std::fill(model.parameters().begin(), model.parameters().end(), 0.0F);
  CHECK(copy_of(other.predict(input)) == expected);
  CHECK(copy_of(model.predict(input)) != expected);
  model = std::move(other);
  CHECK(copy_of(model.predict(input)) == expected);
  static_assert(!std::is_copy_constructible_v<Model<Net>> && std::is_nothrow_move_constructible_v<Model<Net>>);
  // Two trainers of one model would each have a momentum of their own.
  using OfNet = Trainer<Model<Net>, SoftmaxCrossEntropy, SGD>;
  static_assert(!std::is_copy_constructible_v<OfNet> && !std::is_copy_assignable_v<OfNet>);
}

TEST_CASE("a trainer trains the model that has moved") {
  Model<Net> model({.batch = 4, .threads = 1, .seed = 5}), twin({.batch = 4, .threads = 1, .seed = 5});
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1}),
      of_twin(twin, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1});
  const std::vector<int> labels{1, 2, 3, 4};
  of_twin.step(images(4, 0), labels);
  trainer.step(images(4, 0), labels);
  Model<Net> moved = std::move(model);
  of_twin.step(images(4, 1), labels);
  trainer.step(images(4, 1), labels);
  CHECK(copy_of(moved.parameters()) == copy_of(twin.parameters()));
}

TEST_CASE("what f wrote stays if f throws") {
  Model<Net> model({.batch = 2, .threads = 1});
  int seen = 0;
  CHECK_THROWS_AS(model.for_each_tensor([&](const std::string&, const TensorInfo&, std::span<float> values) {
    std::fill(values.begin(), values.end(), 2.0F);
    if (++seen == 2) throw std::runtime_error("enough");
  }),
                  std::runtime_error);
  int twos = 0;
  model.for_each_tensor([&](const std::string&, const TensorInfo&, std::span<float> values) { twos += values[0] == 2.0F; });
  CHECK(twos == 2);
}

TEST_CASE("the plan with 0 threads is that of all processors, as the option means it") {
  const int processors = Model<Net>({.batch = 8}).engine().threads();
  CHECK(Model<Net>::plan(8, 0).total() == Model<Net>::plan(8, processors).total());
}

}  // namespace
