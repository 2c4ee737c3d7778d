#pragma once
#include <strata/network.hpp>

template <int Channels>
using Block = strata::Residual<strata::Conv<3, Channels>, strata::ReLU>;
