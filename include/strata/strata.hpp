// SPDX-License-Identifier: BSL-1.0
// strata: a neural network is a type. This is the table of contents.
#pragma once

// Networks as types. Errors first: the fewer levels between them and you, the shorter they are.
#include <strata/core/errors.hpp>

#include <strata/network.hpp>

// Models, training and data
#include <strata/backend/cpu/cpu.hpp>
#include <strata/data/cifar.hpp>
#include <strata/data/idx.hpp>
#include <strata/data/normalize_for.hpp>
#include <strata/data/one_hot.hpp>
#include <strata/data/subset.hpp>
#include <strata/data/transforms.hpp>
#include <strata/io/checkpoint.hpp>
#include <strata/io/data_info.hpp>
#include <strata/io/matching_weights.hpp>
#include <strata/io/weights.hpp>
#include <strata/model/model.hpp>
#include <strata/training/features.hpp>
#include <strata/training/train.hpp>
#include <strata/util/version.hpp>

// The backend of the processor
#include <strata/backend/cpu/steps.hpp>
