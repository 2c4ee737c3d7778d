// SPDX-License-Identifier: BSL-1.0
// The network of cifar_fast, which bench/recipe.cpp measures too.
#pragma once
#include <strata/network.hpp>

namespace cifar_fast {

using namespace strata;

// BatchNorm learns its shift alone, and its statistics follow the last few batches.
using Norm = BatchNormOf<Momentum<0.6>, Epsilon<1e-12>, NoScale>;
template <int Filters>
using Group = Sequential<Conv<3, Filters, NoBias>, MaxPool<2>, Norm, GELU, Conv<3, Filters, NoBias>, Norm, GELU>;
using Net = Sequential<Input<32, 32, 3>, Conv<2, 24, Valid>, GELU,  //
                       Group<64>, Group<256>, Group<256>,           //
                       MaxPool<3>, Flatten, Dense<10, NoBias>, Scale<1.0 / 9>>;
static_assert(Net::parameters == 1'971'640);

}  // namespace cifar_fast
