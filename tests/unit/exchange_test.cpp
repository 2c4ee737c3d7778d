// SPDX-License-Identifier: BSL-1.0
// Weights that were made in PyTorch and Keras, converted by examples/convert_weights, give what they gave there: the files
// in tests/data/exchange are of make_vectors.py.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <strata/backend/cpu/cpu.hpp>
#include <strata/io/weights.hpp>
#include <strata/network.hpp>

namespace {
using namespace strata;

// The width is even: Keras' Same has its odd column of zeros on the right, PyTorch's padding=1 one on either side.
template <class Padding>
using Net = Sequential<Input<11, 12, 4>, Conv<3, 8, Stride<2>, Padding>, BatchNorm, ReLU, Conv<3, 12, Groups<2>>, ReLU,
                       MaxPool<2>, Conv<Size<2, 3>, 6, NoBias>, BatchNorm, ReLU, Expect<3, 3, 6>, Flatten, Dense<16>,
                       BatchNorm, ReLU, Dense<5>>;

// The largest difference, as a share of the largest output.
template <class N>
double difference(const std::string& framework) {
  const std::filesystem::path folder = "tests/data/exchange";
  SafetensorsFile vectors(folder / (framework + "_vectors.safetensors"));
  const std::vector<float> inputs = vectors.read("inputs"), expected = vectors.read("outputs");
  const auto images = static_cast<int>(vectors.find("inputs")->shape[0]);
  REQUIRE(images == 6);
  Model<N, Cpu, Inference> model{{.batch = images, .threads = 1}};
  load_weights(model, folder / (framework + "_net.safetensors"));
  const auto outputs = model.predict(inputs);
  REQUIRE(outputs.size() == expected.size());
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(outputs[i]) - expected[i]));
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
  }
  return worst / largest;
}

TEST_CASE("weights from PyTorch") {
  CHECK(difference<Net<Pad<1>>>("pytorch") <= 1e-5);
  CHECK(difference<Net<Same>>("pytorch") > 0.01);  // all but the padding is the same
}

TEST_CASE("weights from Keras") {
  CHECK(difference<Net<Same>>("keras") <= 1e-5);
  CHECK(difference<Net<Pad<1>>>("keras") > 0.01);
}

}  // namespace
