// SPDX-License-Identifier: BSL-1.0
// Networks with every layer of the library, for the tests of save_onnx(): by hand for each case of the exporter, and drawn
// from a number.
#pragma once
#include <cstdint>

#include <strata/core/errors.hpp>

#include <strata/network.hpp>

namespace onnx_networks {
using namespace strata;

// A whole number in [low, high], which depends on the network and on the place alone.
constexpr int draw(int network, int place, int low, int high) {
  std::uint64_t x =
      static_cast<std::uint64_t>(network) * 0x9E3779B97F4A7C15U + static_cast<std::uint64_t>(place) * 0xBF58476D1CE4E5B9U;
  for (int i = 0; i < 3; ++i) x = (x ^ x >> 31) * 0x94D049BB133111EBU;
  return low + static_cast<int>((x >> 33) % static_cast<std::uint64_t>(high - low + 1));
}

// Convolutions of every option, which the last Dense turns into a vector.
template <int I>
inline constexpr int groups_of = draw(I, 0, 1, 3);
template <int I>
using DrawnConv = Sequential<Input<draw(I, 1, 7, 12), draw(I, 2, 7, 12), groups_of<I> * draw(I, 3, 1, 3)>,
                             Conv<Size<draw(I, 4, 1, 4), draw(I, 5, 1, 4)>, 2 * groups_of<I>, Groups<groups_of<I>>,
                                  Stride<draw(I, 6, 1, 3), draw(I, 7, 1, 3)>, Dilation<draw(I, 8, 1, 2), draw(I, 9, 1, 2)>>,
                             ReLU,
                             Conv<Size<draw(I, 10, 1, 3), draw(I, 11, 1, 3)>, 5, NoBias,
                                  Pad<draw(I, 12, 0, 2), draw(I, 13, 0, 2), draw(I, 14, 1, 2), draw(I, 15, 0, 2)>>,
                             Flatten, Dense<4>>;

template <int I, class Padding>
using DrawnTranspose =
    Sequential<Input<draw(I, 20, 2, 6), draw(I, 21, 2, 6), draw(I, 22, 1, 4)>,
               ConvTranspose<Size<draw(I, 23, 2, 5), draw(I, 24, 2, 5)>, draw(I, 25, 1, 4), Padding,
                             Stride<draw(I, 26, 1, 3), draw(I, 27, 1, 3)>, Dilation<draw(I, 28, 1, 2), draw(I, 29, 1, 2)>>,
               Tanh>;

template <int I, template <auto, auto, class...> class Pool, class... Options>
using DrawnPool =
    Sequential<Input<draw(I, 40, 5, 11), draw(I, 41, 5, 11), 3>,
               Pool<Size<draw(I, 42, 2, 4), draw(I, 43, 2, 4)>, Size<draw(I, 44, 1, 3), draw(I, 45, 1, 3)>, Options...>>;
template <int I>
using DrawnPad = Pad<draw(I, 46, 0, 3), draw(I, 47, 0, 3), draw(I, 48, 0, 3), draw(I, 49, 0, 3)>;

template <class... Layers>
using OnMap = Sequential<Input<5, 4, 6>, Conv<3, 6>, Layers...>;
template <class... Layers>
using OnVector = Sequential<Input<2, 3, 4>, Flatten, Layers..., Dense<5>>;

// An inverted residual block with squeeze and excitation, as of MobileNet v3.
template <int Channels, int Expanded>
using Inverted = Residual<Conv<1, Expanded, NoBias>, BatchNormOf<Epsilon<1e-3>>, HardSwish,
                          Conv<5, Expanded, Groups<Expanded>, Pad<2>, NoBias>, BatchNorm,
                          Gate<GlobalAvgPool, Dense<4>, ReLU, Dense<Expanded>, HardSigmoid>, HardSwish,
                          Conv<1, Channels, NoBias>, BatchNorm, StochasticDepth<0.1>>;
// A block of ConvNeXt.
template <int Channels>
using ConvNeXtBlock = Residual<Conv<7, Channels, Groups<Channels>>, LayerNormOf<Epsilon<1e-6>>, Conv<1, 4 * Channels>, GELU,
                               Conv<1, Channels>, Scale<0.5>>;
// ResNet's block with a projection.
template <int Channels>
using Projected = Residual<Conv<3, Channels, Stride<2>, Pad<1>, NoBias>, BatchNorm, ReLU, Conv<3, Channels, Pad<1>, NoBias>,
                           BatchNorm, Shortcut<Conv<1, Channels, Stride<2>, NoBias>, BatchNorm>>;

// Calls f.template operator()<Net>(name) for each network.
template <class F>
void for_each_network(F&& f) {
#define NETWORK(...) f.template operator()<__VA_ARGS__>(#__VA_ARGS__)
  // Nothing to compute.
  NETWORK(Sequential<Input<2, 3, 4>>);
  NETWORK(Sequential<Input<2, 3, 4>, Flatten>);
  NETWORK(Sequential<Input<2, 3, 4>, Dropout<0.5>, Expect<2, 3, 4>>);

  NETWORK(DrawnConv<1>);
  NETWORK(DrawnConv<2>);
  NETWORK(DrawnConv<3>);
  NETWORK(DrawnConv<4>);
  NETWORK(DrawnConv<5>);
  NETWORK(DrawnConv<6>);
  NETWORK(Sequential<Input<3, 3, 1>, Conv<2, 2, Pad<5>, Stride<3>>>);
  NETWORK(DrawnTranspose<1, Same>);
  NETWORK(DrawnTranspose<2, Same>);
  NETWORK(DrawnTranspose<3, Valid>);
  NETWORK(DrawnTranspose<4, Valid>);
  NETWORK(DrawnTranspose<5, Pad<1>>);
  NETWORK(DrawnTranspose<6, Pad<1, 0, 0, 1>>);
  NETWORK(Sequential<Input<3, 4, 2>, ConvTranspose<3, 3, Stride<2>, Pad<1>, OutputPadding<1>, NoBias>>);
  NETWORK(Sequential<Input<3, 4, 2>, ConvTranspose<2, 3, Stride<3>, Valid>>);

  NETWORK(DrawnPool<1, MaxPool>);
  NETWORK(DrawnPool<2, MaxPool, Same>);
  NETWORK(DrawnPool<3, MaxPool, DrawnPad<3>, CeilMode>);
  NETWORK(DrawnPool<4, MaxPool, DrawnPad<4>, CeilMode, Dilation<2>>);
  NETWORK(DrawnPool<5, MaxPool, DrawnPad<5>>);
  NETWORK(Sequential<Input<3, 3, 2>, Conv<1, 2>, MaxPool<2, 1, Pad<3>>>);  // windows of padding alone
  NETWORK(DrawnPool<6, AvgPool>);
  NETWORK(DrawnPool<7, AvgPool, Same>);
  NETWORK(DrawnPool<8, AvgPool, DrawnPad<8>, CeilMode>);
  NETWORK(DrawnPool<9, AvgPool, DrawnPad<9>, CountPadding>);
  NETWORK(DrawnPool<10, AvgPool, DrawnPad<10>, CountPadding, CeilMode>);
  NETWORK(DrawnPool<11, AvgPool, DrawnPad<11>, CountPadding, CeilMode, Dilation<2, 1>>);
  NETWORK(Sequential<Input<7, 7, 2>, AvgPool<3, 2, Pad<1>, CountPadding>, AvgPool<3, 2, Same>>);
  NETWORK(Sequential<Input<7, 8, 2>, AvgPool<3, 2, Pad<1>, CountPadding, CeilMode>>);
  NETWORK(Sequential<Input<3, 3, 2>, AvgPool<2, 1, Pad<3>>>);
  NETWORK(OnMap<GlobalAvgPool, Dense<3>>);
  NETWORK(OnMap<GlobalMaxPool, Softmax>);

  NETWORK(OnMap<ReLU, LeakyReLUOf<0.2>, Tanh>);
  NETWORK(OnMap<PReLU, Sigmoid, Scale<-3>>);
  NETWORK(OnMap<Scale<3.5>, ELUOf<0.7>>);
  NETWORK(OnMap<Scale<4>, GELU>);
  NETWORK(OnMap<Scale<4>, GELUTanh>);
  NETWORK(OnMap<Scale<4>, SiLU>);
  NETWORK(OnMap<Scale<4>, HardSwish>);
  NETWORK(OnMap<Scale<4>, HardSigmoid>);
  NETWORK(OnMap<Scale<4>, Softplus>);
  NETWORK(OnMap<Scale<4>, Clip<-1, 2.5>>);

  NETWORK(OnMap<BatchNormOf<Epsilon<1e-5>>, ReLU6>);
  NETWORK(OnMap<BatchNormOf<NoScale>, BatchNormOf<NoShift>, BatchNormOf<NoScale, NoShift>>);
  NETWORK(OnMap<GroupNorm<2>, GroupNorm<6, NoScale>, GroupNorm<1, NoShift, Epsilon<1e-5>>>);
  NETWORK(OnMap<LayerNorm, LayerNormOf<NoScale, Epsilon<1e-6>>, LayerNormOf<NoShift>>);
  NETWORK(OnMap<LRN<>, LRN<3, 1.0, 0.1, 0.5>, LRN<4, 1.5, 0.2, 0.9>, LRN<13, 1.0, 0.3, 0.75>>);
  NETWORK(OnMap<Upsample<2>, Upsample<Size<1, 3>, Bilinear>>);
  NETWORK(OnMap<Upsample<Size<3, 2>, Bilinear>>);
  NETWORK(OnMap<ChannelShuffle<2>, ChannelShuffle<6>>);

  NETWORK(OnMap<Channels<1, 4>, Concat<Channels<0, 1>, Sequential<Channels<1, 3>, ReLU>>>);
  NETWORK(OnMap<Reshape<4, 3, 10>, Conv<3, 4>>);

  // Vectors behind Flatten: some layers take ONNX's order of the elements, others need strata's.
  NETWORK(OnVector<ReLU, Dropout<0.3>>);
  NETWORK(OnVector<BatchNorm, PReLU>);
  NETWORK(OnVector<LayerNorm, GELU>);
  NETWORK(OnVector<GroupNorm<4>>);
  NETWORK(OnVector<ChannelShuffle<3>>);
  NETWORK(OnVector<Softmax>);
  NETWORK(OnVector<Residual<Dense<24>, ReLU>>);
  NETWORK(OnVector<Gate<Dense<24>, Sigmoid>>);
  NETWORK(OnVector<Concat<Sequential<ReLU>, Dense<3>, Tanh>>);
  NETWORK(OnMap<Flatten, Flatten, BatchNorm>);
  NETWORK(OnMap<Flatten, LogSoftmax>);
  NETWORK(Sequential<Input<1, 1, 5>, Flatten, GroupNorm<5>, Dense<3, NoBias>>);
  NETWORK(OnMap<Concat<Sequential<Flatten>, GlobalAvgPool>, Dense<2>>);

  NETWORK(OnVector<Channels<3, 20>>);
  NETWORK(OnVector<ReLU, Reshape<4, 3, 2>, Conv<3, 4>, Flatten>);
  NETWORK(OnVector<Reshape<2, 3, 4>, Conv<1, 4>, Flatten>);
  NETWORK(Sequential<Input<1, 1, 5>, Flatten, Dense<24>, ELU, Reshape<3, 4, 2>, ConvTranspose<2, 3, Stride<2>>>);

  // Joins.
  NETWORK(OnMap<Residual<Conv<3, 6>, BatchNorm>, ReLU, Residual<ReLU, Shortcut<Conv<1, 6>>>>);
  NETWORK(OnMap<Residual<Residual<Conv<3, 6>>, Concat<Conv<1, 2>, Sequential<Conv<3, 3>, ReLU>, AvgPool<3, 1, Same>>,
                         Shortcut<Conv<1, 11>>>>);
  NETWORK(OnMap<Concat<Conv<1, 2>>, Gate<Conv<1, 2>, Sigmoid>>);
  NETWORK(OnMap<Gate<GlobalAvgPool, Dense<6>, Sigmoid>, Gate<AvgPool<Size<5, 4>>, Conv<1, 6>, HardSigmoid>>);

  // Small networks of known kinds.
  NETWORK(Sequential<Input<12, 12, 3>, Conv<3, 8, Stride<2>, Pad<1>, NoBias>, BatchNorm, HardSwish, Inverted<8, 12>,
                     Inverted<8, 16>, GlobalAvgPool, Dense<7>>);
  NETWORK(Sequential<Input<8, 8, 3>, Conv<2, 8, Stride<2>, Valid>, LayerNorm, ConvNeXtBlock<8>, ConvNeXtBlock<8>,
                     GlobalAvgPool, LayerNorm, Dense<7>>);
  NETWORK(Sequential<Input<16, 16, 3>, Conv<7, 8, Stride<2>, Pad<3>, NoBias>, BatchNorm, ReLU, MaxPool<3, 2, Pad<1>>,
                     Projected<12>, ReLU, Projected<16>, ReLU, GlobalAvgPool, Dense<7>>);
  NETWORK(Sequential<
          Input<8, 8, 3>, Conv<3, 6>, ReLU,
          Concat<Sequential<>, Sequential<MaxPool<2>, Conv<3, 8>, GroupNorm<2>, SiLU, ConvTranspose<2, 6, Stride<2>>>>,
          Conv<1, 3>>);
  NETWORK(Sequential<Input<9, 9, 2>, LRN<5, 2.0, 1e-4, 0.75>, Conv<3, 4, Groups<2>>, ReLU, MaxPool<3, 2>, Flatten,
                     Dense<12>, ReLU, Dropout<0.5>, Dense<10>, Softmax>);
#undef NETWORK
}

}  // namespace onnx_networks
