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
  std::int64_t each = 1;    // rows of a sample: the places of a class map, unless the loss takes whole samples; else 1
  int width = 1;            // outputs of a row
  int places = 1;           // of a row: of a class map if the loss takes whole samples
  std::int64_t target = 1;  // elements of a sample's target
  Shape output{};           // of the network

  // Of the rows that classes and labels are decided in: a class map's places.
  [[nodiscard]] constexpr std::int64_t decision_rows() const { return each * places; }
  [[nodiscard]] constexpr int decision_width() const { return width / places; }

  [[nodiscard]] const void* data(const Targets& t) const {
    return is_class(kind) ? static_cast<const void*>(t.classes.data()) : static_cast<const void*>(t.values.data());
  }
};

// whole: the loss takes whole samples.
constexpr RowsOfSample rows_of_sample(Shape output, TargetKind kind, bool whole) {
  const std::int64_t places = kind == TargetKind::class_map ? static_cast<std::int64_t>(output.height) * output.width : 1;
  const std::int64_t each = whole ? 1 : places;
  return {.kind = kind,
          .each = each,
          .width = static_cast<int>(output.size() / each),
          .places = static_cast<int>(places / each),
          .target = is_class(kind) ? places : output.size(),
          .output = output};
}

}  // namespace strata::inline STRATA_ABI::detail
