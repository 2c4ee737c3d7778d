// SPDX-License-Identifier: BSL-1.0
// ResNet-18 as import_model.py makes it of torchvision's model, for the pages that include it.
#pragma once
#include <strata/network.hpp>
namespace resnet18 {
using namespace strata;
using Norm = BatchNormOf<Epsilon<1e-5>, Momentum<0.9>>;
template <int Channels>
using Same1 =
    Sequential<Residual<Conv<3, Channels, Pad<1>, NoBias>, Norm, ReLU, Conv<3, Channels, Pad<1>, NoBias>, Norm>, ReLU>;
template <int Channels>
using Half =
    Sequential<Residual<Conv<3, Channels, Pad<1>, Stride<2>, NoBias>, Norm, ReLU, Conv<3, Channels, Pad<1>, NoBias>, Norm,
                        Shortcut<Conv<1, Channels, Valid, Stride<2>, NoBias>, Norm>>,
               ReLU>;
using Net =
    Sequential<Input<224, 224, 3>, Conv<7, 64, Pad<3>, Stride<2>, NoBias>, Norm, ReLU, MaxPool<3, 2, Pad<1>>, Same1<64>,
               Same1<64>, Half<128>, Same1<128>, Half<256>, Same1<256>, Half<512>, Same1<512>, GlobalAvgPool, Dense<1000>>;
static_assert(Net::output == Shape{1000} && Net::parameters == 11689512);
}  // namespace resnet18
