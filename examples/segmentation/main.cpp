// SPDX-License-Identifier: BSL-1.0
// Segmentation: a class for each pixel, by a small U-Net (Ronneberger, Fischer, Brox 2015). The pictures are articles of
// Fashion-MNIST at a random place before a pattern of stripes. segmentation [FOLDER] takes another folder of MNIST's format
// than Debian's.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <strata/strata.hpp>

#include "../common/fashion.hpp"

using namespace strata;

class Scenes {
 public:
  static constexpr Shape image{48, 48, 1};
  static constexpr Target target = Target::class_map(48, 48, 11);  // the ten articles, and the background

  Scenes(FashionMnist data, std::uint64_t seed) : data_(std::move(data)), seed_(seed) {}
  [[nodiscard]] std::size_t size() const { return data_.size(); }
  [[nodiscard]] std::vector<float> pixels(std::size_t i) const {
    const Random random(seed_, Purpose::user, 1, i);
    const float across = 0.3f + random.uniform(0), down = 0.3f + random.uniform(1);
    std::vector<float> scene(48 * 48);
    for (int y = 0; y < 48; ++y)
      for (int x = 0; x < 48; ++x)
        scene[static_cast<std::size_t>(48 * y + x)] =
            0.25f + 0.2f * std::sin(across * static_cast<float>(x) + down * static_cast<float>(y));
    for_article(i, [&](std::size_t at, std::uint8_t value) { scene[at] = static_cast<float>(value) / 255; });
    return scene;
  }
  [[nodiscard]] std::vector<int> targets(std::size_t i) const {
    std::vector<int> map(48 * 48, 10);
    for_article(i, [&](std::size_t at, std::uint8_t) { map[at] = data_.label(i); });
    return map;
  }

 private:
  template <class F>  // called with the place in the scene and the value of each pixel that belongs to the article
  void for_article(std::size_t i, F f) const {
    const Random random(seed_, Purpose::user, 0, i);
    const std::size_t top = random.below(21, 0), left = random.below(21, 1);
    const auto article = data_.pixels(i);
    for (std::size_t p = 0; p < 784; ++p)
      if (article[p] > 25) f(48 * (top + p / 28) + left + p % 28, article[p]);
  }
  FashionMnist data_;
  std::uint64_t seed_;
};

template <int Filters>
using Twice = Sequential<Conv<3, Filters, NoBias>, BatchNormOf<Momentum<0.9>>, ReLU,  //
                         Conv<3, Filters, NoBias>, BatchNormOf<Momentum<0.9>>, ReLU>;
// A level of the U: what is found at this size, beside what `Below` finds at half of it.
template <int Filters, class Below>
using Level = Sequential<Twice<Filters>, Concat<Sequential<>, Sequential<MaxPool<2>, Below, Upsample<2>>>, Twice<Filters>>;
using Net = Sequential<Input<48, 48, 1>, Level<8, Level<16, Level<32, Twice<64>>>>, Conv<1, 11>>;
static_assert(Net::output == Scenes::target.output);

int main(int argc, char** argv) try {
  const std::string folder = argc > 1 ? argv[1] : "";
  const Scenes data(fashion(true, 4000, folder), 1), test(fashion(false, 500, folder), 2);
  Model<Net> model{{.batch = 32, .seed = 1}};
  const std::int64_t steps = 4000 / 32;
  train(model, data, SoftmaxCrossEntropy{}, Adam{.learning_rate = OneCycle{.max = 0.005, .total = 4 * steps}},
        {.epochs = 4, .validation = test, .metrics = {IoU{}}});
  const Evaluation result = evaluate(model, test, SoftmaxCrossEntropy{}, {.metrics = {IoU{}}});
  std::printf("right pixels %.4f, mean intersection over union %.4f\n", result.accuracy, result.metrics[0].value);
  return result.accuracy > 0.9 && result.metrics[0].value > 0.4 ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "segmentation: %s\n", e.what());
  return 1;
}
