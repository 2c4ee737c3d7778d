// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/model/model.hpp>

namespace strata::inline STRATA_ABI {

// Thrown when a loss is NaN or infinite, or the norm of gradients that are to be clipped. The parameters are those from
// before the step; after a validation, those that were validated.
class NotFiniteError : public std::runtime_error {
 public:
  // update: the number of updates done before. first: the first layer whose output is not finite; none if only the loss is.
  NotFiniteError(std::int64_t update, LayerName first, bool validation = false);
  // The loss is finite, but not the norm of its gradients.
  static NotFiniteError of_gradients(std::int64_t update);
  // The loss of another process is not finite.
  static NotFiniteError of_process(std::int64_t update, int rank, bool validation = false);
  [[nodiscard]] std::int64_t update() const noexcept { return update_; }
  [[nodiscard]] int layer() const noexcept { return layer_; }  // Input is 0; -1: none

 private:
  static std::string which(std::int64_t update, bool validation);
  NotFiniteError(std::int64_t update, const std::string& what);
  static std::string why(LayerName first);
  std::int64_t update_;
  int layer_;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/training/not_finite_error_impl.hpp>
#endif
