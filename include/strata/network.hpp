// SPDX-License-Identifier: BSL-1.0
// Networks as types: layers, losses, and all that is known of them while compiling. Needs the standard library alone.
#pragma once

// The compile-time engine. Errors first: the fewer levels between them and you, the shorter they are.
#include <strata/core/errors.hpp>

#include <strata/core/sequential.hpp>

#include <strata/core/diagnose.hpp>
#include <strata/core/summary.hpp>
#include <strata/interop/keras_summary.hpp>

// Layers
#include <strata/layers/activations.hpp>
#include <strata/layers/combine.hpp>
#include <strata/layers/conv.hpp>
#include <strata/layers/dense.hpp>
#include <strata/layers/dropout.hpp>
#include <strata/layers/expect.hpp>
#include <strata/layers/input.hpp>
#include <strata/layers/normalization.hpp>
#include <strata/layers/pool.hpp>

// Losses
#include <strata/losses/losses.hpp>
