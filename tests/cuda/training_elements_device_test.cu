// SPDX-License-Identifier: BSL-1.0
#include "device_runner.hpp"

#include "../unit/cuda_training_elements.hpp"
