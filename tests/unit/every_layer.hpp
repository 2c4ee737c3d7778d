// SPDX-License-Identifier: BSL-1.0
// A network for tests of backends.
#pragma once
#include <strata/network.hpp>

namespace {

using namespace strata;

// Every kind of layer there is, and every block.
using Branches =
    Sequential<Residual<Conv<3, 6>, BatchNorm, LeakyReLU, BatchNormOf<NoScale, NoShift>, ELU, GELU, BatchNormOf<NoShift>>,
               Concat<Sequential<Conv<1, 4>, ReLU>, Sequential<AvgPool<3, 1, Same>, Conv<Size<1, 3>, 2, NoBias>, Tanh>>,
               LRN<>>;
using More = Sequential<
    Residual<GroupNorm<4>, PReLU, ConvTranspose<3, 8>, Gate<GlobalAvgPool, Dense<8>, Sigmoid>, StochasticDepth<0.2>>,
    Upsample<2, Bilinear>, AvgPool<3, 2, Pad<1>, CountPadding, CeilMode>, LayerNorm, ChannelShuffle<2>,
    Concat<Channels<5, 3>, Channels<0, 5>>, Reshape<3, 4, 8>, Scale<0.25>>;
using Net = Sequential<Input<12, 10, 3>, Conv<3, 6>, ReLU, MaxPool<3, 2>, Branches, Conv<3, 8, Groups<2>, Stride<2>>, ReLU,
                       Dropout<0.25>, More, Residual<Conv<3, 8>, Sigmoid, Shortcut<Conv<1, 8>>>, MaxPool<2, 1>, Flatten,
                       Dense<20>, ReLU, Dropout<0.5>, Dense<16>, ReLU, Dense<12, NoBias>, Dropout<0.1>, Dense<5>>;

}  // namespace
