// SPDX-License-Identifier: BSL-1.0
#include "gpu_emulated.hpp"

template <class Precision>
using Gpu = emulated::Gpu<Precision>;
inline constexpr double gpu_rounding = 1;

#include "gpu_model.hpp"
