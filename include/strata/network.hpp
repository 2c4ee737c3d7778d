// SPDX-License-Identifier: BSL-1.0
// Networks as types: layers, losses, and everything about them that is known at compile time. Needs only the standard
// library.
#pragma once

// errors.hpp comes first: the shorter its chain of includes, the shorter the error messages.
#include <strata/core/errors.hpp>

#include <strata/core/sequential.hpp>

#include <strata/core/diagnose.hpp>
#include <strata/core/summary.hpp>

// Comparison with Keras
#include <strata/interop/keras_summary.hpp>

// Layers
#include <strata/layers/activations.hpp>
#include <strata/layers/channel_shuffle.hpp>
#include <strata/layers/combine.hpp>
#include <strata/layers/conv.hpp>
#include <strata/layers/conv_transpose.hpp>
#include <strata/layers/dense.hpp>
#include <strata/layers/dropout.hpp>
#include <strata/layers/expect.hpp>
#include <strata/layers/input.hpp>
#include <strata/layers/normalization.hpp>
#include <strata/layers/pool.hpp>
#include <strata/layers/prelu.hpp>
#include <strata/layers/reshape.hpp>
#include <strata/layers/upsample.hpp>

// Losses
#include <strata/losses/losses.hpp>
