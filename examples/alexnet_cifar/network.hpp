// SPDX-License-Identifier: BSL-1.0
// AlexNet for 32x32 images. alexnet_cifar trains it, and predict uses its weights.
#pragma once
#include <strata/network.hpp>

namespace networks {
using namespace strata;

template <int Classes, double Rate = 0.5>
using AlexNet = Sequential<Input<32, 32, 3>,                              // height, width, channels
                           Conv<5, 96>, ReLU, MaxPool<3, 2>,              // 15x15x96
                           Conv<5, 256, Stride<2>>, ReLU, MaxPool<3, 2>,  // 3x3x256
                           Conv<3, 384>, ReLU,                            //
                           Conv<3, 384>, ReLU,                            //
                           Conv<3, 256>, ReLU, MaxPool<3, 2>,             // 1x1x256
                           Flatten,                                       //
                           Dense<4096>, ReLU, Dropout<Rate>,              //
                           Dense<4096>, ReLU, Dropout<Rate>,              //
                           Dense<Classes>>;

static_assert(AlexNet<10>::parameters == 21'594'506);

}  // namespace networks

using networks::AlexNet;
