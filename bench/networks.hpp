// SPDX-License-Identifier: BSL-1.0
// Known networks, for benchmarks.
#pragma once
#include <strata/strata.hpp>

#include "../examples/cifar_fast/network.hpp"

namespace networks {

using namespace strata;

// LeCun et al. 1998, with ReLU and max pools.
using LeNet = Sequential<Input<28, 28, 1>, Conv<5, 6, Pad<2>>, ReLU, MaxPool<2, 2>, Conv<5, 16, Valid>, ReLU, MaxPool<2, 2>,
                         Flatten, Dense<120>, ReLU, Dense<84>, ReLU, Dense<10>>;

// SqueezeNet 1.1 (Iandola et al. 2016).
template <int Squeeze, int Expand>
using Fire = Sequential<Conv<1, Squeeze>, ReLU,
                        Concat<Sequential<Conv<1, Expand>, ReLU>, Sequential<Conv<3, Expand, Pad<1>>, ReLU>>>;
using SqueezeNet =
    Sequential<Input<224, 224, 3>, Conv<3, 64, Stride<2>, Valid>, ReLU, MaxPool<3, 2, CeilMode>, Fire<16, 64>, Fire<16, 64>,
               MaxPool<3, 2, CeilMode>, Fire<32, 128>, Fire<32, 128>, MaxPool<3, 2, CeilMode>, Fire<48, 192>, Fire<48, 192>,
               Fire<64, 256>, Fire<64, 256>, Dropout<0.5>, Conv<1, 1000>, ReLU, GlobalAvgPool>;

// ResNet-18 (He et al. 2015).
template <int Filters, int Step = 1>
using ConvNorm3 = Sequential<Conv<3, Filters, Stride<Step>, Pad<1>, NoBias>, BatchNorm>;
template <int Filters>
using Basic = Sequential<Residual<ConvNorm3<Filters>, ReLU, ConvNorm3<Filters>>, ReLU>;
template <int Filters>
using Narrowing = Sequential<
    Residual<ConvNorm3<Filters, 2>, ReLU, ConvNorm3<Filters>, Shortcut<Conv<1, Filters, Stride<2>, NoBias>, BatchNorm>>,
    ReLU>;
template <int Classes>
using ResNet18Stages = Sequential<Basic<64>, Basic<64>, Narrowing<128>, Basic<128>, Narrowing<256>, Basic<256>,
                                  Narrowing<512>, Basic<512>, GlobalAvgPool, Dense<Classes>>;
using ResNet18 = Sequential<Input<224, 224, 3>, Conv<7, 64, Stride<2>, Pad<3>, NoBias>, BatchNorm, ReLU,
                            MaxPool<3, 2, Pad<1>>, ResNet18Stages<1000>>;
using ResNet18Cifar = Sequential<Input<32, 32, 3>, ConvNorm3<64>, ReLU, ResNet18Stages<10>>;

// MobileNetV2 (Sandler et al. 2018).
template <int Inputs, int Filters, int Step, int Expand>
using Inverted = Sequential<Conv<1, Inputs * Expand, NoBias>, BatchNorm, ReLU6,
                            Conv<3, Inputs * Expand, Groups<Inputs * Expand>, Stride<Step>, Pad<1>, NoBias>, BatchNorm,
                            ReLU6, Conv<1, Filters, NoBias>, BatchNorm>;
template <int Filters>
using Again = Residual<Inverted<Filters, Filters, 1, 6>>;
using MobileNetV2 = Sequential<Input<224, 224, 3>, Conv<3, 32, Stride<2>, Pad<1>, NoBias>, BatchNorm, ReLU6,
                               Conv<3, 32, Groups<32>, Pad<1>, NoBias>, BatchNorm, ReLU6, Conv<1, 16, NoBias>, BatchNorm,
                               Inverted<16, 24, 2, 6>, Again<24>, Inverted<24, 32, 2, 6>, Again<32>, Again<32>,
                               Inverted<32, 64, 2, 6>, Again<64>, Again<64>, Again<64>, Inverted<64, 96, 1, 6>, Again<96>,
                               Again<96>, Inverted<96, 160, 2, 6>, Again<160>, Again<160>, Inverted<160, 320, 1, 6>,
                               Conv<1, 1280, NoBias>, BatchNorm, ReLU6, GlobalAvgPool, Dense<1000>>;

// VGG-16 (Simonyan, Zisserman 2014).
template <int Filters>
using Conv3 = Sequential<Conv<3, Filters, Pad<1>>, ReLU>;
using VGG16 =
    Sequential<Input<224, 224, 3>, Conv3<64>, Conv3<64>, MaxPool<2, 2>, Conv3<128>, Conv3<128>, MaxPool<2, 2>, Conv3<256>,
               Conv3<256>, Conv3<256>, MaxPool<2, 2>, Conv3<512>, Conv3<512>, Conv3<512>, MaxPool<2, 2>, Conv3<512>,
               Conv3<512>, Conv3<512>, MaxPool<2, 2>, Flatten, Dense<4096>, ReLU, Dense<4096>, ReLU, Dense<1000>>;

}  // namespace networks
