// SPDX-License-Identifier: BSL-1.0
// Checks targets before a step changes anything.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include <strata/core/linkage.hpp>
#include <strata/core/target.hpp>
#include <strata/data/targets.hpp>

namespace strata::inline STRATA_ABI::detail {

// Throws std::invalid_argument unless there are `each` elements for each of `samples` samples and their kind allows them
// (target_fault). indices: of the samples in their data set, for the message; empty: their places in the batch.
void check_targets(TargetKind kind, const Targets& targets, std::size_t samples, std::size_t each, int width,
                   std::span<const std::uint32_t> indices = {});

// Throws std::invalid_argument unless a data set has as many classes as a network has outputs.
void check_class_count(int found, std::int64_t outputs);

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/training/check_targets_impl.hpp>
#endif
