// SPDX-License-Identifier: BSL-1.0
// Deep networks compile with the default limits of compilers, run, and train.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <strata/strata.hpp>

namespace {
using namespace strata;

template <class Layers, class Indices>
struct Repeated;
template <class Layers, std::size_t... Index>
struct Repeated<Layers, std::index_sequence<Index...>> {
  template <std::size_t>
  using Once = Layers;
  using type = Sequential<Once<Index>...>;
};
template <int Count, class Layers>
using Repeat = typename Repeated<Layers, std::make_index_sequence<static_cast<std::size_t>(Count)>>::type;

TEST_CASE("a chain of 1,000 layers trains as one in which a ReLU is not repeated") {
  using Deep = Sequential<Input<4, 4, 1>, Conv<3, 6>, Repeat<997, ReLU>, Flatten, Dense<3>>;
  using Flat = Sequential<Input<4, 4, 1>, Conv<3, 6>, ReLU, Flatten, Dense<3>>;
  static_assert(Deep::layers == 1001 && Deep::parameters == Flat::parameters);
  Model<Deep> deep({.batch = 10, .threads = 1, .seed = 4});
  Model<Flat> flat({.batch = 10, .threads = 1, .seed = 4});
  std::vector<float> images(10 * 16);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i % 7) - 3;
  const ArrayDataset<Shape{4, 4, 1}, 3> data(images, {0, 1, 2, 0, 1, 2, 0, 1, 2, 0});
  const auto train_it = [&](auto& model) {
    return train(model, data, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1}, {.epochs = 3, .verbose = false});
  };
  const auto history = train_it(deep), expected = train_it(flat);
  CHECK(history.back().loss == expected.back().loss);
  CHECK(history.back().loss < history.front().loss);
}

// DenseNet-121 (Huang, Liu, van der Maaten, Weinberger 2017), for small images. A layer's output is concatenated to its
// input.
template <int Growth>
using DenseLayer =
    Concat<Sequential<>,
           Sequential<BatchNorm, ReLU, Conv<1, 4 * Growth, NoBias>, BatchNorm, ReLU, Conv<3, Growth, Same, NoBias>>>;
template <int Filters>
using Transition = Sequential<BatchNorm, ReLU, Conv<1, Filters, NoBias>, AvgPool<2>>;
template <int Growth>
using DenseNet121 =
    Sequential<Input<32, 32, 3>, Conv<3, 2 * Growth, Same, NoBias>, Repeat<6, DenseLayer<Growth>>, Transition<4 * Growth>,
               Repeat<12, DenseLayer<Growth>>, Transition<8 * Growth>, Repeat<24, DenseLayer<Growth>>,
               Transition<16 * Growth>, Repeat<16, DenseLayer<Growth>>, BatchNorm, ReLU, GlobalAvgPool, Dense<10>>;

TEST_CASE("DenseNet-121 compiles and runs") {
  // Keras' DenseNet121 has 32; 4 makes the test quick.
  using Net = DenseNet121<4>;
  // The published network has 7,978,856 weights, of which 1,025,000 are its classifier's, and a 7x7 convolution.
  static_assert(DenseNet121<32>::parameters ==
                7'978'856 - 1'025'000 - 7 * 7 * 3 * 64 - 2 * 64 + 3 * 3 * 3 * 64 + 1024 * 10 + 10);
  Model<Net> model({.batch = 2, .threads = 2, .seed = 1});
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05});
  std::vector<float> images(2 * 32 * 32 * 3);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i % 13) / 13 + (i < 3072 ? 0.0F : 0.5F);
  const std::vector<int> labels{3, 8};
  const double first = trainer.step(images, labels).loss;
  double last = first;
  for (int step = 0; step < 8; ++step) last = trainer.step(images, labels).loss;
  CHECK(std::isfinite(last));
  CHECK(last < 0.5 * first);
}

}  // namespace
