// SPDX-License-Identifier: BSL-1.0
// Regression: by which angle has a picture been turned? The targets are values, here one a picture. angles [FOLDER] takes
// another folder of MNIST's format than Debian's.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <numbers>
#include <span>
#include <vector>

#include <strata/strata.hpp>

#include "../common/fashion.hpp"

using namespace strata;

constexpr float most = 45;  // degrees either way

// Pictures of Fashion-MNIST, each turned by a random angle of its own, which its target is, as a fraction of `most`. They
// are turned when they are needed, so they take no memory.
class Turned {
 public:
  static constexpr Shape image{28, 28, 1};
  static constexpr Target target = Target::values(Shape{1});

  Turned(FashionMnist data, std::uint64_t seed) : data_(std::move(data)), seed_(seed) {}
  [[nodiscard]] std::size_t size() const { return data_.size(); }
  [[nodiscard]] std::vector<float> targets(std::size_t i) const {
    return {2 * Random(seed_, Purpose::user).uniform(i) - 1};
  }
  [[nodiscard]] std::vector<float> pixels(std::size_t i) const {
    const float angle = targets(i)[0] * most * std::numbers::pi_v<float> / 180;
    const float cosine = std::cos(angle), sine = std::sin(angle);
    const auto from = data_.pixels(i);
    const auto pixel = [&](int y, int x) {  // black outside
      return y < 0 || y > 27 || x < 0 || x > 27 ? 0.f
                                                : static_cast<float>(from[static_cast<std::size_t>(28 * y + x)]) / 255;
    };
    std::vector<float> to;
    for (int i_ = 0; i_ < 28; ++i_)
      for (int j = 0; j < 28; ++j) {
        const float dy = static_cast<float>(i_) - 13.5f, dx = static_cast<float>(j) - 13.5f;
        const float y = 13.5f + cosine * dy + sine * dx, x = 13.5f - sine * dy + cosine * dx;
        const int top = static_cast<int>(std::floor(y)), left = static_cast<int>(std::floor(x));
        const float down = y - static_cast<float>(top), right = x - static_cast<float>(left);
        to.push_back((1 - down) * ((1 - right) * pixel(top, left) + right * pixel(top, left + 1)) +
                     down * ((1 - right) * pixel(top + 1, left) + right * pixel(top + 1, left + 1)));
      }
    return to;
  }

 private:
  FashionMnist data_;
  std::uint64_t seed_;
};

using Net = Sequential<Input<28, 28, 1>, Conv<3, 16>, ReLU, MaxPool<2>,  //
                       Conv<3, 32>, ReLU, MaxPool<2>,                    //
                       Conv<3, 64>, ReLU, Flatten, Dense<64>, ReLU, Dense<1>>;

int main(int argc, char** argv) try {
  const std::string folder = argc > 1 ? argv[1] : "";
  const Turned data(fashion(true, 12000, folder), 1), test(fashion(false, 2000, folder), 2);
  Model<Net> model{{.batch = 64, .seed = 1}};
  const std::int64_t steps = (12000 + 63) / 64;
  train(model, data, Huber{.delta = 0.2}, Adam{.learning_rate = OneCycle{.max = 0.003, .total = 5 * steps}},
        {.epochs = 5, .validation = test, .metrics = {MeanAbsoluteError{}}});
  const Evaluation result = evaluate(model, test, Huber{.delta = 0.2}, {.metrics = {MeanAbsoluteError{}}});
  const double degrees = result.metrics[0].value * static_cast<double>(most);
  std::printf("mean error %.1f degrees; always answering 0 would be wrong by %.1f\n", degrees,
              static_cast<double>(most) / 2);
  return degrees < 4 ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "angles: %s\n", e.what());
  return 1;
}
