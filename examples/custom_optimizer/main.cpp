// SPDX-License-Identifier: BSL-1.0
// An optimizer and a schedule of your own, outside the library: one struct each. Every backend runs them.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/strata.hpp>

using namespace strata;

// Swings between two rates in straight lines (Smith 2017).
struct Triangle {
  double low = 0.0001, high = 0.001;
  std::int64_t rise = 100;  // updates from low to high, and back

  // The learning rate of an update, from the number of updates done before it.
  [[nodiscard]] double operator()(std::int64_t update) const {
    const std::int64_t at = update % (2 * rise);
    return low + (high - low) * static_cast<double>(std::min(at, 2 * rise - at)) / static_cast<double>(rise);
  }
  void validate() const {
    if (!(low >= 0 && high >= low) || rise < 1) throw std::invalid_argument("Triangle: needs 0 <= low <= high, rise >= 1");
  }
  [[nodiscard]] std::string describe() const {
    return "Triangle{low " + std::to_string(low) + ", high " + std::to_string(high) + ", rise " + std::to_string(rise) +
           "}";
  }
};

// Signum (Bernstein et al. 2018): every weight moves by the learning rate, against the sign of the running mean of its
// gradients.
struct Signum {
  Schedule learning_rate = 0.0001;
  double beta = 0.9;
  double weight_decay = 0;  // acts on the weights, as in AdamW

  [[nodiscard]] static int slot_count() { return 1; }  // numbers kept for each parameter; they begin at 0
  void validate() const {
    learning_rate.validate();
    if (!(beta >= 0 && beta < 1)) throw std::invalid_argument("Signum: beta is not in [0, 1)");
  }
  // Stands in the recipe of a run: name every field here.
  [[nodiscard]] std::string describe() const {
    return "Signum{learning_rate " + learning_rate.describe() + ", beta " + std::to_string(beta) + ", weight_decay " +
           std::to_string(weight_decay) + "}";
  }

  // The work of one parameter: returns the new weight and changes the slots.
  template <class T>
  struct Element {
    T rate, beta, weight_decay;
    template <class Slots>
    STRATA_HOST_DEVICE T operator()(T w, T g, const Slots& slot) const {
      const T mean = beta * slot[0] + (1 - beta) * g;
      slot[0] = mean;
      const T sign = mean > 0 ? T{1} : mean < 0 ? T{-1} : T{0};
      return w - rate * (sign + weight_decay * w);
    }
  };
  // The rate is that of the schedule; it and the weight decay have the factors of the parameter's group.
  template <class T>
  [[nodiscard]] Element<T> element(const UpdateStep& u) const {
    return {static_cast<T>(u.learning_rate), static_cast<T>(beta), static_cast<T>(weight_decay * u.weight_decay)};
  }
};

using Net = Sequential<Input<6, 6, 1>, Conv<3, 8>, BatchNorm, ReLU, Flatten, Dense<2>>;

int main() {
  std::vector<float> images;
  std::vector<int> labels;
  for (int i = 0; i < 256; ++i) {
    labels.push_back(i % 2);
    for (int p = 0; p < 36; ++p) images.push_back(std::sin(static_cast<float>(i * 7 + p * (1 + i % 2))));
  }
  const ArrayDataset<Shape{6, 6, 1}, 2> data(images, labels);
  Model<Net> model{{.batch = 32, .seed = 1}};
  const Signum signum{.learning_rate = Triangle{.low = 0.0005, .high = 0.003, .rise = 20}, .weight_decay = 0.1};
  const auto history =
      train(model, data, SoftmaxCrossEntropy{}, signum, {.epochs = 10, .groups = {no_decay_of_biases_and_norms()}});

  // The first update moves a weight by the rate or, without a gradient, not at all.
  Model<Net> fresh{{.batch = 32, .seed = 1}};
  std::vector<float> before, after;
  const auto copy_to = [](std::vector<float>& all) {
    return [&all](const auto&, const TensorInfo& info, auto values) {
      if (info.trainable()) all.insert(all.end(), values.begin(), values.end());
    };
  };
  fresh.for_each_tensor(copy_to(before));
  Trainer trainer(fresh, SoftmaxCrossEntropy{}, Signum{.learning_rate = Triangle{.low = 0.25, .high = 0.5}});
  trainer.step(std::vector<float>(images.begin(), images.begin() + 32 * 36),
               std::vector<int>(labels.begin(), labels.begin() + 32));
  fresh.for_each_tensor(copy_to(after));
  bool moved_by_the_rate = before != after;
  for (std::size_t i = 0; i < after.size(); ++i) {
    const float step = std::abs(after[i] - before[i]);
    moved_by_the_rate = moved_by_the_rate && (step == 0 || std::abs(step - 0.25f) < 1e-6f);
  }
  return moved_by_the_rate && history.back().loss < history.front().loss / 2 ? 0 : 1;
}
