// SPDX-License-Identifier: BSL-1.0
// A data set, a metric and an augmentation of your own, outside the library: one struct each. The network finds the place
// of a bright spot, so its targets are two values.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <strata/strata.hpp>

using namespace strata;

// Pictures of a spot in noise, and its row and column as fractions of the size.
class Spots {
 public:
  static constexpr Shape image{12, 12, 1};
  static constexpr Target target = Target::values(Shape{2});

  Spots(std::uint64_t seed, std::size_t count) : count_(count) {
    auto pictures = std::make_shared<std::vector<float>>();
    auto places = std::make_shared<std::vector<float>>();
    for (std::size_t i = 0; i < count; ++i) {
      const Random random(seed, Purpose::user, static_cast<std::uint32_t>(i));
      const float row = random.uniform(0), column = random.uniform(1);
      places->insert(places->end(), {row, column});
      for (int y = 0; y < image.height; ++y)
        for (int x = 0; x < image.width; ++x) {
          const float dy = static_cast<float>(y) - 11 * row, dx = static_cast<float>(x) - 11 * column;
          const auto element = static_cast<std::uint64_t>(2 + y * image.width + x);
          pictures->push_back(0.9f * std::exp(-(dy * dy + dx * dx) / 4) + 0.1f * random.uniform(element));
        }
    }
    pictures_ = pictures, places_ = places;
  }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] std::span<const float> pixels(std::size_t i) const {
    return std::span(*pictures_).subspan(i * image.size(), image.size());
  }
  [[nodiscard]] std::span<const float> targets(std::size_t i) const { return std::span(*places_).subspan(i * 2, 2); }

 private:
  std::size_t count_;
  std::shared_ptr<const std::vector<float>> pictures_, places_;  // shared by copies, so that these are cheap
};

// The fraction of spots that are found to within `distance`.
struct Found {
  double distance = 0.05;
  [[nodiscard]] std::string name() const { return "found"; }
  void add(const MetricSample& s) {
    const float dy = s.outputs[0] - s.target.values[0], dx = s.outputs[1] - s.target.values[1];
    found += std::hypot(dy, dx) <= distance;
    ++all;
  }
  [[nodiscard]] double value() const { return all == 0 ? 0 : found / all; }

  double found = 0, all = 0;  // so far
};

// Makes an image brighter or darker, each time by another factor.
struct Brightness {
  double most = 0.2;
  void operator()(std::span<float> pixels, Shape, const Random& random) const {
    const float factor = 1 + static_cast<float>(most) * (2 * random.uniform(0) - 1);
    for (float& x : pixels) x *= factor;
  }
  // Stands in the recipe of a run: name every field here.
  [[nodiscard]] std::string describe() const { return "Brightness{most " + std::to_string(most) + "}"; }
};

using Net = Sequential<Input<12, 12, 1>, Conv<3, 8>, ReLU, MaxPool<2>, Flatten, Dense<32>, ReLU, Dense<2>>;

int main() {
  const Spots data(1, 2000), test(2, 500);
  Model<Net> model{{.batch = 50, .seed = 1}};
  const auto history = train(model, data, MeanSquaredError{}, Adam{.learning_rate = 0.002},
                             {.epochs = 6,
                              .validation = test,
                              .augment = {.transforms = {Brightness{.most = 0.1}}},
                              .metrics = {Found{}, MeanAbsoluteError{}}});
  const Evaluation result = evaluate(model, test, MeanSquaredError{}, {.metrics = {Found{.distance = 0.1}}});
  const double found = result.metrics[0].value;
  return history.back().loss < history.front().loss / 2 && found > 0.9 ? 0 : 1;
}
