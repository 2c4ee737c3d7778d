// SPDX-License-Identifier: BSL-1.0
// What a project of somebody else's might hold: a network, checked while compiling.
#include <strata/strata.hpp>

using Network = strata::Sequential<strata::Input<8, 8, 3>, strata::Conv<3, 4>, strata::ReLU, strata::MaxPool<2, 2>,
                                   strata::Flatten, strata::Dense<10>>;
static_assert(Network::output == strata::Shape{10});
static_assert(Network::parameters == 3 * 3 * 3 * 4 + 4 + 4 * 4 * 4 * 10 + 10);

int main() { return Network::output.size() == 10 ? 0 : 1; }
