// SPDX-License-Identifier: BSL-1.0
// The functions of not_finite_error.hpp.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/training/not_finite_error.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE NotFiniteError::NotFiniteError(std::int64_t update, LayerName first, bool validation)
    : std::runtime_error(which(update, validation) + " is NaN or infinite; " + why(first)),
      update_(update),
      layer_(first.number) {}

STRATA_DEFINE std::string NotFiniteError::which(std::int64_t update, bool validation) {
  return (validation ? "strata: the validation loss after update " : "strata: the loss of update ") +
         std::to_string(update);
}

STRATA_DEFINE NotFiniteError NotFiniteError::of_process(std::int64_t update, int rank, bool validation) {
  return {update, which(update, validation) + " is NaN or infinite in the process of rank " + std::to_string(rank)};
}

STRATA_DEFINE NotFiniteError NotFiniteError::of_gradients(std::int64_t update) {
  return {update, "strata: the loss of update " + std::to_string(update) +
                      " is finite, but the norm of its gradients is NaN or infinite; try a lower learning rate"};
}

STRATA_DEFINE NotFiniteError::NotFiniteError(std::int64_t update, const std::string& what)
    : std::runtime_error(what), update_(update), layer_(-1) {}

STRATA_DEFINE std::string NotFiniteError::why(LayerName first) {
  if (first.number < 0) return "the outputs are finite, but not their loss; try a lower learning rate";
  if (first.number == 0) return "the images themselves are not finite (layer 0, Input); look at the data";
  return "layer " + std::to_string(first.number) + " (" + std::string(first.name) +
         ") is the first whose output is not finite; try a lower learning rate";
}

}  // namespace strata::inline STRATA_ABI
