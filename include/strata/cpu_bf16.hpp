// SPDX-License-Identifier: BSL-1.0
// The backend CpuBF16 for models and training: Model<Net, CpuBF16>. Not part of strata.hpp, so that only its users compile
// it. docs/precision.md says what it is good for.
#pragma once

#include <strata/core/linkage.hpp>
#include <strata/strata.hpp>

#include <strata/backend/cpu_bf16/backend.hpp>
#include <strata/backend/cpu_bf16/steps.hpp>
