// SPDX-License-Identifier: BSL-1.0
// An activation of your own, outside the library: one struct. Every backend runs it.
#include <cmath>
#include <vector>

#include <strata/strata.hpp>

using namespace strata;

// Mish (Misra 2019): x tanh(log(1 + exp(x))).
struct Mish : Activation<Values::any> {
  static constexpr const char* name = "Mish";

  // exp(x) may overflow: log1p of infinity is infinity, whose tanh is 1. A NaN stays a NaN.
  template <class T>
  STRATA_HOST_DEVICE static T forward(T x) {
    return x * gate(x);
  }
  // The gradient needs the input; a Tanh, for example, has backward(y, dy).
  template <class T>
  STRATA_HOST_DEVICE static T backward(T x, T /*y*/, T dy) {
    const T g = gate(x), sigmoid = 1 / (1 + std::exp(-x));  // the slope of log(1 + exp(x))
    return dy * (g + x * (1 - g * g) * sigmoid);
  }

 private:
  template <class T>
  STRATA_HOST_DEVICE static T gate(T x) {
    return std::tanh(std::log1p(std::exp(x)));
  }
};

// It stands in a network like any other layer.
using Net = Sequential<Input<6, 6, 1>, Conv<3, 8>, Mish, Flatten, Dense<16>, Mish, Dense<2>>;
static_assert(Net::shapes[2] == Shape{6, 6, 8});

// A loss that takes logits would not accept a ReLU as the last layer. Values::any says that any number may leave a Mish.
static_assert(diagnose<Sequential<Input<6, 6, 1>, Flatten, Dense<2>, Mish>, SoftmaxCrossEntropy>().ok());

// The gradient against finite differences, in double.
bool gradient_is_right() {
  for (double x = -12; x <= 12; x += 0.25) {
    const double step = 1e-5, slope = (Mish::forward(x + step) - Mish::forward(x - step)) / (2 * step);
    if (std::abs(Mish::backward(x, Mish::forward(x), 3.) - 3 * slope) > 1e-7) return false;
  }
  return true;
}

int main() {
  std::vector<float> images;
  std::vector<int> labels;
  for (int i = 0; i < 256; ++i) {
    labels.push_back(i % 2);
    for (int p = 0; p < 36; ++p) images.push_back(std::sin(static_cast<float>(i * 7 + p * (1 + i % 2))));
  }
  const ArrayDataset<Shape{6, 6, 1}, 2> data(images, labels);
  Model<Net> model{{.batch = 32, .seed = 1}};
  const auto history = train(model, data, SoftmaxCrossEntropy{}, Adam{.learning_rate = 0.005}, {.epochs = 10});
  return gradient_is_right() && history.back().loss < history.front().loss / 2 ? 0 : 1;
}
