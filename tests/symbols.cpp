// SPDX-License-Identifier: BSL-1.0
// A part of a program that is linked from several parts, each built in its own way; symbols_test.py builds them.
#include <cstddef>
#include <cstdint>
#include <vector>

#include <strata/strata.hpp>

#if defined(STRATA_SMALL)  // compiles fast, for the test of the test
extern "C" double STRATA_PART() {
  const strata::Random random(1, strata::Purpose::user);
  return strata::ThreadPool(1).size() + random.uniform(std::uint64_t{1});
}
#else
// The loss after a few steps.
extern "C" double STRATA_PART() {
  using namespace strata;
  using Net =
      Sequential<Input<8, 8, 3>, Conv<3, 8, Stride<2>>, BatchNorm, ReLU, MaxPool<2>, BatchNormOf<Momentum<0.9>, NoShift>,
                 Residual<GroupNorm<2>, LayerNorm, PReLU, Gate<GlobalMaxPool, Dense<8>>, StochasticDepth<0.1>>,
                 ConvTranspose<3, 4>, Upsample<2, Bilinear>, ChannelShuffle<2>, Concat<Channels<0, 2>, Channels<2, 2>>,
                 AvgPool<3, 2, Pad<1>, CountPadding, CeilMode>, Flatten, Dense<16>, Tanh, GELU, GELUTanh, SiLU, HardSwish,
                 HardSigmoid, ReLU6, ELU, Softplus, Dropout<0.25>, Dense<4>, Scale<0.5>>;
  std::vector<float> images(16 * 192);
  std::vector<int> labels(16);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i * 7 % 23) / 23;
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int>(i % 4);
  const ArrayDataset<Shape{8, 8, 3}, 4> data(images, labels);
  Model<Net> model({.batch = 8, .threads = 1, .seed = 1});
  return train(model, data, SoftmaxCrossEntropy{}, Adam{.learning_rate = 0.01}, {.epochs = 2, .verbose = false})
      .back()
      .loss;
}
#endif
