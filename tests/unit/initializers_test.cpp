// SPDX-License-Identifier: BSL-1.0
// Initializers of a user's own. training_parts_test.cpp has the moments of ours.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/strata.hpp>

using namespace strata;

namespace {

struct Ramp {
  double step = 1;
  template <class T>
  void operator()(std::span<T> w, Fan, const Random&) const {
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<T>(step * static_cast<double>(i));
  }
  void validate() const { detail::check_positive("the step of a Ramp", step); }
  [[nodiscard]] std::string describe() const { return "Ramp{" + detail::number_text(step) + "}"; }
};
// For float alone, and with nothing to check.
struct Third {
  void operator()(std::span<float> w, Fan fan, const Random& random) const {
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = random.uniform(i) / static_cast<float>(3 * fan.in);
  }
  [[nodiscard]] std::string describe() const { return "Third{}"; }
};
struct NoDescription {
  void operator()(std::span<float>, Fan, const Random&) const {}
};
static_assert(InitializerFunction<Ramp> && InitializerFunction<Third> && InitializerFunction<HeNormal>);
static_assert(!InitializerFunction<NoDescription> && !std::is_constructible_v<Initializer, NoDescription>);

template <class T>
std::vector<T> filled(const Initializer& initializer, std::size_t n) {
  std::vector<T> w(n);
  initializer(std::span<T>(w), Fan{2, 1}, Random(1, Purpose::initialize));
  return w;
}

}  // namespace

TEST_CASE("an initializer of one's own is a struct") {
  const Initializer ramp = Ramp{0.5};
  CHECK(filled<float>(ramp, 4) == std::vector<float>{0, 0.5f, 1, 1.5f});
  CHECK(filled<double>(ramp, 3) == std::vector<double>{0, 0.5, 1});
  CHECK(ramp.describe() == "Ramp{0.5}");
  CHECK_THROWS_WITH_AS(Initializer(Ramp{-1}).validate(), "strata: the step of a Ramp is -1; expected more than zero",
                       std::invalid_argument);
  const Initializer third = Third{};
  const std::vector<float> floats = filled<float>(third, 5);
  CHECK(filled<double>(third, 5) == std::vector<double>(floats.begin(), floats.end()));
  third.validate();
  Initializer copy = third;
  copy = ramp;
  CHECK(copy.describe() == "Ramp{0.5}");
  CHECK(Initializer{}.describe() == "GlorotUniform{}");
}

TEST_CASE("Initializer gives the bits of what it holds") {
  for (const std::size_t n : {1U, 7U, 64U}) {
    std::vector<float> w(n);
    HeNormal{}(std::span<float>(w), Fan{2, 1}, Random(1, Purpose::initialize));
    CHECK(filled<float>(HeNormal{}, n) == w);
  }
}

namespace {
template <class Net>
std::vector<float> tensor(Model<Net>& model, const std::string& wanted) {
  std::vector<float> found;
  model.for_each_tensor([&](const std::string& name, const TensorInfo&, std::span<float> v) {
    if (name == wanted) found.assign(v.begin(), v.end());
  });
  return found;
}
}  // namespace

TEST_CASE("Dirac lays the identity over the first filters of each group") {
  // (3,2,2,6), of 2 groups: in each, the first 2 of 3 filters copy a channel; the centre is row 1, column 1.
  using Net = Sequential<Input<5, 5, 4>, Conv<Size<3, 2>, 6, Groups<2>>, Conv<1, 3>, Flatten, Dense<2>>;
  const ModelOptions drawn{.seed = 3, .weights = HeNormal{}};
  ModelOptions laid = drawn;
  laid.weights = Dirac{HeNormal{}};
  Model<Net> before{drawn}, after{laid};
  const std::vector<float> old = tensor(before, "conv2d/kernel"), now = tensor(after, "conv2d/kernel");
  REQUIRE(now.size() == 72);
  int ones = 0;
  for (std::size_t i = 0; i < now.size(); ++i) {
    INFO(i);
    const std::size_t filter = i % 6, channel = i / 6 % 2, tap = i / 12;
    if (filter % 3 == 2) {
      CHECK(now[i] == old[i]);
    } else {
      CHECK(now[i] == (tap == 3 && channel == filter % 3 ? 1.f : 0.f));
      ones += now[i] == 1;
    }
  }
  CHECK(ones == 4);
  // More channels than filters, and what is no convolution.
  std::vector<float> narrow = tensor(after, "conv2d_1/kernel");
  for (std::size_t i = 0; i < narrow.size(); ++i) CHECK(narrow[i] == (i / 3 == i % 3 ? 1.f : 0.f));
  CHECK(tensor(after, "dense/kernel") == tensor(before, "dense/kernel"));
  CHECK(Initializer(Dirac{Constant{2}}).describe() == "Dirac{Constant{2}}");
  CHECK(Initializer(Dirac{}).describe() == "Dirac{GlorotUniform{}}");
  CHECK_THROWS_AS(Initializer(Dirac{Normal{-1}}).validate(), std::invalid_argument);
  const std::vector<float> plain = filled<float>(Third{}, 5);
  CHECK(filled<double>(Dirac{Third{}}, 5) == std::vector<double>(plain.begin(), plain.end()));
}

TEST_CASE("a convolution of Dirac passes its input on") {
  using Net = Sequential<Input<4, 6, 3>, Conv<3, 5, NoBias>>;
  Model<Net> model{{.batch = 1, .weights = Dirac{FanInUniform{}}}};
  std::vector<float> images(72);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i % 11) - 5;
  const auto y = model.predict(images);
  for (std::size_t i = 0; i < 24; ++i)
    for (std::size_t c = 0; c < 3; ++c) CHECK(y[i * 5 + c] == images[i * 3 + c]);
  CHECK(y[3] != images[0]);
}

TEST_CASE("FanInUniform is PyTorch's default, of biases too") {
  using Net = Sequential<Input<5, 5, 4>, Conv<3, 64, Groups<2>>, Flatten, Dense<300>>;
  Model<Net> model{{.weights = FanInUniform{}, .biases = FanInUniform{}}};
  const auto within = [&](const std::string& name, double limit) {
    float largest = 0;
    for (const float x : tensor(model, name)) largest = std::max(largest, std::abs(x));
    CHECK(static_cast<double>(largest) <= limit * (1 + 1e-6));
    CHECK(static_cast<double>(largest) > 0.9 * limit);
  };
  within("conv2d/kernel", 1 / std::sqrt(18.0));
  within("conv2d/bias", 1 / std::sqrt(18.0));
  within("dense/kernel", 1 / std::sqrt(1600.0));
  within("dense/bias", 1 / std::sqrt(1600.0));
  CHECK(Initializer(FanInUniform{}).describe() == "FanInUniform{}");
}

TEST_CASE("initializers of tensors are chosen by patterns, the last that fits") {
  using Net = Sequential<Input<3, 3, 2>, Conv<1, 2>, Conv<1, 2>, BatchNorm, Flatten, Dense<2>>;
  const auto first = [](std::vector<TensorInitializer> tensors, const std::string& name) {
    Model<Net> model{{.biases = Constant{9}, .tensors = std::move(tensors)}};
    return tensor(model, name).at(0);
  };
  const std::vector<TensorInitializer> all{
      {"conv2d*/*", Constant{1}}, {"conv2d_?/kernel", Constant{2}}, {"*gamma", Constant{3}}};
  CHECK(first(all, "conv2d/kernel") == 1);
  CHECK(first(all, "conv2d/bias") == 1);
  CHECK(first(all, "conv2d_1/kernel") == 2);
  CHECK(first(all, "batch_normalization/gamma") == 3);
  CHECK(first(all, "dense/bias") == 9);
  CHECK(first({{"conv2d_1/bias", Constant{2}}, {"*", Constant{4}}}, "conv2d_1/bias") == 4);
  CHECK_THROWS_WITH_AS(first({{"conv3d*", Constant{1}}}, "dense/bias"),
                       "strata: an initializer for the tensor conv3d*; this network's are conv2d/kernel, conv2d/bias, "
                       "conv2d_1/kernel, conv2d_1/bias, batch_normalization/gamma, batch_normalization/beta, "
                       "batch_normalization/moving_mean, batch_normalization/moving_variance, dense/kernel, dense/bias",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(first({{"*bias", Constant{1}}, {"*bias", Constant{1}}}, "dense/bias"),
                       "strata: two initializers for the tensor *bias; expected one", std::invalid_argument);
}
