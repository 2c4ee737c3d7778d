// SPDX-License-Identifier: BSL-1.0
// A BatchNorm and the activation behind it run as one block; a view between them keeps them apart.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include <strata/strata.hpp>

namespace {

using namespace strata;

// 37 channels fill no vector, and so many positions make several blocks of rows.
constexpr int side = 13, batch = 9, channels = 37;
template <class Norm, class... Behind>
using Net = Sequential<Input<side, side, 3>, Conv<3, channels>, Norm, Behind..., Conv<1, 4>, Flatten, Dense<3>>;

struct Found {
  std::vector<std::string> rows;
  std::vector<float> parameters, state, outputs, predicted;
};

template <class Network>
Found train() {
  Model<Network> model{{.batch = batch, .threads = 2, .seed = 3}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.0005, .momentum = 0.9});
  std::vector<float> images(static_cast<std::size_t>(batch) * side * side * 3);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(std::sin(0.37 * static_cast<double>(i)));
  const std::vector<int> labels{0, 1, 2, 0, 1, 2, 0, 1, 2};
  Profile profile;
  model.watch(&profile);
  Found f;
  for (int step = 0; step < 3; ++step) f.outputs.push_back(static_cast<float>(trainer.step(images, labels).loss));
  model.watch(nullptr);
  for (const LayerTime& row : profile.rows) f.rows.push_back(row.name);
  f.parameters.assign(model.parameters().begin(), model.parameters().end());
  f.state.assign(model.state().begin(), model.state().end());
  const auto predicted = model.predict(images);
  f.predicted.assign(predicted.begin(), predicted.end());
  return f;
}

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

template <class Norm, class F>
void check_block(const char* name) {
  INFO(std::string(name));
  const Found together = train<Net<Norm, F>>(), apart = train<Net<Norm, Expect<side, side, channels>, F>>();
  const std::string block = std::string("BatchNorm + ") + F::name;
  CHECK(std::count(together.rows.begin(), together.rows.end(), block) == 1);
  CHECK(std::count(apart.rows.begin(), apart.rows.end(), block) == 0);
  CHECK(same(together.outputs, apart.outputs));
  CHECK(same(together.parameters, apart.parameters));
  CHECK(same(together.state, apart.state));
  CHECK(same(together.predicted, apart.predicted));
  CHECK(together.outputs[2] < together.outputs[0]);  // it learns
}

}  // namespace

TEST_CASE("a BatchNorm and an activation give the same bits together and apart") {
  check_block<BatchNorm, ReLU>("ReLU");
  check_block<BatchNormOf<NoScale>, ReLU6>("ReLU6");
  check_block<BatchNormOf<NoShift>, Clip<-0.5, 0.5>>("Clip");
  check_block<BatchNorm, GELU>("GELU");                       // by its input
  check_block<BatchNormOf<NoScale, NoShift>, SiLU>("SiLU");   // the same
  check_block<BatchNorm, Sigmoid>("Sigmoid");                 // by its output
  check_block<BatchNormOf<NoShift>, LeakyReLU>("LeakyReLU");  // the same, in place
}

// Its gradient is not needed, and there is no memory for it.
TEST_CASE("a network may begin with a BatchNorm that has no parameters") {
  using First = Sequential<Input<6, 6, 2>, BatchNormOf<NoScale, NoShift>, ReLU, Conv<3, 4>, Flatten, Dense<2>>;
  Model<First> model{{.batch = 4, .threads = 1, .seed = 1}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1});
  std::vector<float> images(4 * 72);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>((i * 7) % 11) - 5;
  const std::vector<int> labels{0, 1, 0, 1};
  const double before = trainer.step(images, labels).loss;
  for (int step = 0; step < 20; ++step) trainer.step(images, labels);
  CHECK(trainer.step(images, labels).loss < 0.5 * before);
}

// Distances from a mean that is far from the first rows', and from zero.
TEST_CASE("the statistics of a batch keep their digits") {
  constexpr int rows = 6000;
  for (const float offset : {0.f, 1000.f, -30000.f}) {
    std::vector<float> x(rows);
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = offset + (i < 600 ? -2.f : 3.f) + static_cast<float>(std::sin(static_cast<double>(i)));
    double mean = 0, squares = 0;
    for (const float v : x) mean += static_cast<double>(v) / rows;
    for (const float v : x) squares += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean) / rows;
    ThreadPool pool(1);
    const cpu::Ops<float> ops(pool);
    constexpr Shape map{rows, 1, 1};
    std::vector<float> y(x.size()), scratch(static_cast<std::size_t>(ops.batch_norm_scratch(map, 1)));
    float running_mean = 0, running_variance = 0, got = 0, inverse = 0;
    ops.batch_norm_forward(map, 1, 0.f, 0.f, x.data(), nullptr, nullptr, &running_mean, &running_variance, &got, &inverse,
                           y.data(), scratch.data());
    INFO("offset ", offset);
    CHECK(got == doctest::Approx(mean).epsilon(1e-7));
    CHECK(running_variance == doctest::Approx(squares).epsilon(2e-6));
  }
}
