// SPDX-License-Identifier: BSL-1.0
// Initializers of a user's own. training_parts_test.cpp has the moments of ours.
#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <strata/model/initializers.hpp>

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
