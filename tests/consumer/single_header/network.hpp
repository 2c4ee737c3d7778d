// SPDX-License-Identifier: BSL-1.0
// Both sources of the program include the single header, and this.
#pragma once
#include "strata.hpp"

using Net = strata::Sequential<strata::Input<4, 4, 1>, strata::Conv<3, 4>, strata::ReLU, strata::MaxPool<2>,
                               strata::Flatten, strata::Dense<2>>;
static_assert(Net::output == strata::Shape{2});

// The share of images that the model labels rightly.
double accuracy(strata::Model<Net>& model, const strata::ArrayDataset<strata::Shape{4, 4, 1}, 2>& data);
