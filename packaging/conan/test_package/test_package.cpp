// SPDX-License-Identifier: BSL-1.0
// Predicts with a small network, so that a compiled library must be there and fit the headers.
#include <cstdio>
#include <vector>

#include <strata/strata.hpp>

using Network = strata::Sequential<strata::Input<4, 4, 1>, strata::Conv<3, 2>, strata::ReLU, strata::Flatten,
                                   strata::Dense<3>, strata::Softmax>;

int main() {
  strata::Model<Network> model{{.batch = 1, .threads = 1, .seed = 1}};
  const auto output = model.predict(std::vector<float>(16, 0.5F));
  const float sum = output[0] + output[1] + output[2];
  std::printf("strata %s: the probabilities sum to %.4f\n", strata::version.data(), static_cast<double>(sum));
  return sum > 0.999F && sum < 1.001F ? 0 : 1;
}
