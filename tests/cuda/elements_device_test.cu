// SPDX-License-Identifier: BSL-1.0
#include "device_runner.hpp"

#include "../unit/cuda_layer_elements.hpp"
