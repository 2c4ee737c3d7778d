// SPDX-License-Identifier: BSL-1.0
#include "cuda_loop.hpp"

#include "cuda_training_elements.hpp"
