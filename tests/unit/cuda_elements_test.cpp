// SPDX-License-Identifier: BSL-1.0
#include "cuda_loop.hpp"

#include "cuda_layer_elements.hpp"
