// SPDX-License-Identifier: BSL-1.0
// import_model.py makes this header of the network in docs/tutorials/from-pytorch.md.
#pragma once
#include <strata/network.hpp>

namespace digits {
using Net = strata::Sequential<strata::Input<28, 28, 1>, strata::Conv<3, 16>, strata::ReLU, strata::MaxPool<2>,
                               strata::Conv<3, 32>, strata::ReLU, strata::MaxPool<2>, strata::Flatten, strata::Dense<10>>;
}  // namespace digits
