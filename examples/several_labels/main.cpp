// SPDX-License-Identifier: BSL-1.0
// Several labels at once: pictures of two articles of clothing, side by side or overlapping. The network says of each of
// ten classes whether it is there. several_labels [FOLDER] takes another folder of MNIST's format than Debian's.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include <strata/strata.hpp>

#include "../common/fashion.hpp"

using namespace strata;

// Picture i of Fashion-MNIST beside another one, with a random overlap of up to 8 columns.
class Pairs {
 public:
  static constexpr Shape image{28, 56, 1};
  static constexpr Target target = Target::labels(10);
  static constexpr auto& class_names = FashionMnist::class_names;

  Pairs(FashionMnist data, std::uint64_t seed) : data_(std::move(data)), seed_(seed) {}
  [[nodiscard]] std::size_t size() const { return data_.size(); }
  [[nodiscard]] std::vector<float> targets(std::size_t i) const {
    std::vector<float> labels(10);
    labels[static_cast<std::size_t>(data_.label(i))] = labels[static_cast<std::size_t>(data_.label(other(i)))] = 1;
    return labels;
  }
  [[nodiscard]] std::vector<std::uint8_t> pixels(std::size_t i) const {
    const auto left = data_.pixels(i), right = data_.pixels(other(i));
    const std::size_t overlap = Random(seed_, Purpose::user, 1).below(9, i), from = 28 - overlap;
    std::vector<std::uint8_t> both(28 * 56);
    for (std::size_t y = 0; y < 28; ++y)
      for (std::size_t x = 0; x < 28; ++x) {
        std::uint8_t &a = both[56 * y + x], &b = both[56 * y + from + x];
        a = std::max(a, left[28 * y + x]);
        b = std::max(b, right[28 * y + x]);
      }
    return both;
  }

 private:
  [[nodiscard]] std::size_t other(std::size_t i) const {
    return Random(seed_, Purpose::user).below(static_cast<std::uint32_t>(size()), i);
  }
  FashionMnist data_;
  std::uint64_t seed_;
};

using Net = Sequential<Input<28, 56, 1>, Conv<3, 16>, ReLU, MaxPool<2>,  //
                       Conv<3, 32>, ReLU, MaxPool<2>,                    //
                       Conv<3, 64>, ReLU, MaxPool<2>, Flatten, Dense<128>, ReLU, Dropout<0.3>, Dense<10>>;

int main(int argc, char** argv) try {
  const std::string folder = argc > 1 ? argv[1] : "";
  const Pairs data(fashion(true, 12000, folder), 1), test(fashion(false, 2000, folder), 2);
  Model<Net> model{{.batch = 64, .seed = 1}};
  const std::int64_t steps = (12000 + 63) / 64;
  train(model, data, SigmoidCrossEntropy{}, Adam{.learning_rate = OneCycle{.max = 0.003, .total = 5 * steps}},
        {.epochs = 5, .validation = test});
  // The accuracy counts each of the ten decisions; answering no to all gives about 0.81.
  const double accuracy = evaluate(model, test, SigmoidCrossEntropy{}).accuracy;
  const auto first = test.pixels(0);
  std::vector<float> input(first.size());
  std::transform(first.begin(), first.end(), input.begin(), [](std::uint8_t x) { return static_cast<float>(x) / 255; });
  const std::span<const float> logits = model.predict(input);
  std::printf("accuracy %.4f\nthe first picture:", accuracy);
  for (std::size_t c = 0; c < 10; ++c)
    if (logits[c] > 0) std::printf(" %s", std::string(Pairs::class_names[c]).c_str());
  std::printf("\n");
  return accuracy > 0.93 ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "several_labels: %s\n", e.what());
  return 1;
}
