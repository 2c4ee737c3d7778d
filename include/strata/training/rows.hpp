// SPDX-License-Identifier: BSL-1.0
// How a loss sees a network's outputs: rows, and the targets that belong to them.
#pragma once
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/core/target.hpp>
#include <strata/data/targets.hpp>

namespace strata::inline STRATA_ABI::detail {

struct RowsOfSample {
  TargetKind kind = TargetKind::class_index;
  std::int64_t each = 1;    // rows of a sample: the places of a class map, else 1
  int width = 1;            // outputs of a row
  std::int64_t target = 1;  // elements of a sample's target
  Shape output{};           // of the network

  [[nodiscard]] const void* data(const Targets& t) const {
    return is_class(kind) ? static_cast<const void*>(t.classes.data()) : static_cast<const void*>(t.values.data());
  }
};

constexpr RowsOfSample rows_of_sample(Shape output, TargetKind kind) {
  const bool places = kind == TargetKind::class_map;
  const std::int64_t each = places ? static_cast<std::int64_t>(output.height) * output.width : 1;
  return {.kind = kind,
          .each = each,
          .width = static_cast<int>(output.size() / each),
          .target = places           ? each
                    : is_class(kind) ? 1
                                     : output.size(),
          .output = output};
}

}  // namespace strata::inline STRATA_ABI::detail
