// SPDX-License-Identifier: BSL-1.0
// A deep network, trained: the ResNet of He, Zhang, Ren, Sun 2016 for CIFAR-10, with 6 NB + 2 layers of weights. -DNB=9,
// the default, is ResNet-56.
#include <cstddef>
#include <utility>

#include <strata/strata.hpp>

#if !defined(NB)
#define NB 9
#endif

namespace {

using namespace strata;

template <int Filters>
using Block = Sequential<Residual<Conv<3, Filters, NoBias>, BatchNorm, ReLU, Conv<3, Filters, NoBias>, BatchNorm>, ReLU>;
// The first block of a stage halves the sides.
template <int Filters>
using Halved = Sequential<Residual<Conv<3, Filters, Stride<2>, NoBias>, BatchNorm, ReLU, Conv<3, Filters, NoBias>,
                                   BatchNorm, Shortcut<Conv<1, Filters, Stride<2>, NoBias>, BatchNorm>>,
                          ReLU>;

template <class Layers, class Indices>
struct Repeated;
template <class Layers, std::size_t... I>
struct Repeated<Layers, std::index_sequence<I...>> {
  template <std::size_t>
  using Same = Layers;
  using type = Sequential<Same<I>...>;
};
template <int Count, class Layers>
using Repeat = typename Repeated<Layers, std::make_index_sequence<Count>>::type;

using Net = Sequential<Input<32, 32, 3>, Conv<3, 16, NoBias>, BatchNorm, ReLU, Repeat<NB, Block<16>>, Halved<32>,
                       Repeat<NB - 1, Block<32>>, Halved<64>, Repeat<NB - 1, Block<64>>, GlobalAvgPool, Dense<10>>;

}  // namespace

int main() {
  Model<Net> model({.batch = 128});
  const auto data = Cifar10::train("cifar-10-batches-bin");
  return train(model, data, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1, .momentum = 0.9}).empty();
}
