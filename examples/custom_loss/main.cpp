// SPDX-License-Identifier: BSL-1.0
// A loss of your own, outside the library: one struct with a field. Every backend runs it.
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/strata.hpp>

using namespace strata;

// The mean over the outputs of the smooth form of Huber's loss: delta^2 (sqrt(1 + (d / delta)^2) - 1), where d is the
// output minus the target. Outliers pull with a force of delta, however far away they are.
struct PseudoHuber {
  double delta = 1;

  static constexpr Takes takes = Takes::anything;  // a network may end in any layer
  static constexpr TargetKinds targets{TargetKind::values};
  // Called once, when training begins.
  void validate() const {
    if (!(delta > 0)) throw std::invalid_argument("PseudoHuber: delta must be more than 0");
  }
  // Stands in the recipe of a run: name every field here.
  [[nodiscard]] std::string describe() const { return "PseudoHuber{delta " + std::to_string(delta) + "}"; }
  // The work of one sample: returns its loss and sets its gradients.
  template <class Row>
  STRATA_HOST_DEVICE auto operator()(const Row& row) const {
    using N = typename Row::number;  // float, or double in a Model<Net, CpuOf<double>>
    const N n = static_cast<N>(row.size()), bound = static_cast<N>(delta);
    N sum{0};
    for (int i = 0; i < row.size(); ++i) {
      const N d = row.output(i) - row.target(i), root = std::sqrt(1 + d / bound * (d / bound));
      sum += d * d / (root + 1);  // delta^2 (root - 1) without the difference
      row.gradient(i, d / root / n);
    }
    return sum / n;
  }
};

using Net = Sequential<Input<4, 4, 1>, Flatten, Dense<2>>;
using Data = ArrayDataset<Shape{4, 4, 1}, Target::values(Shape{2})>;

// The compiler compares the targets: this loss for classes is one error.
static_assert(diagnose<Net, PseudoHuber, Data>().ok());
static_assert(diagnose<Net, PseudoHuber, ArrayDataset<Shape{4, 4, 1}, 2>>().fault == Fault::loss_takes_other_target);

// The targets are two sums over the image. Every tenth is far off.
Data make_data() {
  std::vector<float> images, values;
  for (int i = 0; i < 320; ++i) {
    float left = 0, right = 0;
    for (int p = 0; p < 16; ++p) {
      images.push_back(std::sin(static_cast<float>(i * 16 + p) * 1.7f));
      (p % 4 < 2 ? left : right) += images.back() / 4;
    }
    const float error = i % 10 == 0 ? 20.f : 0.f;
    values.push_back(left + error), values.push_back(right + error);
  }
  return {images, values};
}

// The mean distance to the true sums of a network trained with this delta. Outliers do not count.
double trained(double delta) {
  const Data data = make_data();
  Model<Net> model{{.batch = 32, .seed = 1}};
  train(model, data, PseudoHuber{.delta = delta}, Adam{.learning_rate = 0.01}, {.epochs = 40, .verbose = false});
  double sum = 0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (i % 10 == 0) continue;
    const auto outputs = model.predict(data.pixels(i));
    for (std::size_t k = 0; k < 2; ++k) sum += std::abs(static_cast<double>(outputs[k] - data.targets(i)[k]));
  }
  return sum / static_cast<double>(data.size());
}

int main() {
  Model<Net> model{{.batch = 32}};
  const Trainer trainer(model, PseudoHuber{.delta = 0.25}, SGD{});
  const bool described = trainer.loss().describe() == "PseudoHuber{delta 0.250000}";
  const double robust = trained(0.1), squared = trained(1000);
  return described && robust < squared / 2 ? 0 : 1;
}
