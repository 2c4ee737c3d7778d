// SPDX-License-Identifier: BSL-1.0
// An activation of your own, outside the library: one struct. Every backend runs it.
#include <cmath>
#include <vector>

#include <strata/strata.hpp>

using namespace strata;

// GELU (Hendrycks, Gimpel 2016) in its form with tanh: x / 2 (1 + tanh u), u = sqrt(2 / pi) (x + 0.044715 x^3).
struct GELU : Activation<Values::any> {
  static constexpr const char* name = "GELU";
  static constexpr double scale = 0.79788456080286535588, cubic = 0.044715;

  template <class T>
  STRATA_HOST_DEVICE static T forward(T x) {
    return x / 2 * (1 + tanh_u(x));
  }
  // The gradient needs the input; a Tanh, for example, has backward(y, dy).
  template <class T>
  STRATA_HOST_DEVICE static T backward(T x, T /*y*/, T dy) {
    const T t = tanh_u(x), inner = clamp(x);
    const T slope = static_cast<T>(scale) * (1 + static_cast<T>(3 * cubic) * inner * inner);  // du / dx
    return dy * ((1 + t) / 2 + inner / 2 * (1 - t * t) * slope);
  }

 private:
  // Beyond 10, tanh u is 1 or -1 in double too, and x^3 could overflow. A NaN stays a NaN.
  template <class T>
  STRATA_HOST_DEVICE static T clamp(T x) {
    return x < -10 ? T{-10} : x > 10 ? T{10} : x;
  }
  template <class T>
  STRATA_HOST_DEVICE static T tanh_u(T x) {
    const T inner = clamp(x);
    return std::tanh(static_cast<T>(scale) * (inner + static_cast<T>(cubic) * inner * inner * inner));
  }
};

// It stands in a network like any other layer.
using Net = Sequential<Input<6, 6, 1>, Conv<3, 8>, GELU, Flatten, Dense<16>, GELU, Dense<2>>;
static_assert(Net::shapes[2] == Shape{6, 6, 8});

// A loss that takes logits would not accept a ReLU as the last layer. Values::any says that any number may leave a GELU.
static_assert(diagnose<Sequential<Input<6, 6, 1>, Flatten, Dense<2>, GELU>, SoftmaxCrossEntropy>().ok());

// The gradient against finite differences, in double.
bool gradient_is_right() {
  for (double x = -12; x <= 12; x += 0.25) {
    const double step = 1e-5, slope = (GELU::forward(x + step) - GELU::forward(x - step)) / (2 * step);
    if (std::abs(GELU::backward(x, GELU::forward(x), 3.) - 3 * slope) > 1e-7) return false;
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
