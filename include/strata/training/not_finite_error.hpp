// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

#include <strata/model/model.hpp>

namespace strata {

// Thrown when a loss is NaN or infinite, or the norm of gradients that are to be clipped. The parameters are those from
// before the step; after a validation, those that were validated.
class NotFiniteError : public std::runtime_error {
 public:
  // update: the number of updates done before. first: the first layer whose output is not finite; none if only the loss is.
  NotFiniteError(std::int64_t update, LayerName first, bool validation = false)
      : std::runtime_error((validation ? "strata: the validation loss after update " : "strata: the loss of update ") +
                           std::to_string(update) + " is NaN or infinite; " + why(first)),
        update_(update),
        layer_(first.number) {}
  // The loss is finite, but not the norm of its gradients.
  static NotFiniteError of_gradients(std::int64_t update) {
    return {update, "strata: the loss of update " + std::to_string(update) +
                        " is finite, but the norm of its gradients is NaN or infinite; try a lower learning rate"};
  }
  [[nodiscard]] std::int64_t update() const noexcept { return update_; }
  [[nodiscard]] int layer() const noexcept { return layer_; }  // Input is 0; -1: none

 private:
  NotFiniteError(std::int64_t update, const std::string& what) : std::runtime_error(what), update_(update), layer_(-1) {}
  static std::string why(LayerName first) {
    if (first.number < 0) return "the outputs are finite, but not their loss; try a lower learning rate";
    if (first.number == 0) return "the images themselves are not finite (layer 0, Input); look at the data";
    return "layer " + std::to_string(first.number) + " (" + std::string(first.name) +
           ") is the first whose output is not finite; try a lower learning rate";
  }
  std::int64_t update_;
  int layer_;
};

}  // namespace strata
