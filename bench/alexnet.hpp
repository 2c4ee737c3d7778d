// SPDX-License-Identifier: BSL-1.0
// The network that everything in bench/ measures: AlexNet for 32x32 images.
#pragma once
#include <strata/strata.hpp>

using AlexNet =
    strata::Sequential<strata::Input<32, 32, 3>, strata::Conv<5, 96>, strata::ReLU, strata::MaxPool<3, 2>,
                       strata::Conv<5, 256, strata::Stride<2>>, strata::ReLU, strata::MaxPool<3, 2>, strata::Conv<3, 384>,
                       strata::ReLU, strata::Conv<3, 384>, strata::ReLU, strata::Conv<3, 256>, strata::ReLU,
                       strata::MaxPool<3, 2>, strata::Flatten, strata::Dense<4096>, strata::ReLU, strata::Dropout<0.5>,
                       strata::Dense<4096>, strata::ReLU, strata::Dropout<0.5>, strata::Dense<10>>;
