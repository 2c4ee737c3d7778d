// SPDX-License-Identifier: BSL-1.0
// Which taps of a window fall on real elements, on one axis.
#pragma once
#include <algorithm>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu::detail {

// [first, end)
struct IndexRange {
  int first, end;
};
// The taps of one axis that fall on real elements, for the output at `position`.
constexpr IndexRange taps_on(int position, int stride, int dilation, int kernel, int before, int size) {
  const int start = position * stride - before;
  const int first = start < 0 ? (-start + dilation - 1) / dilation : 0;
  const int end = start >= size ? 0 : std::min(kernel, (size - 1 - start) / dilation + 1);
  return {first, std::max(first, end)};
}
// The outputs of one axis that have a real element under tap `tap`.
inline IndexRange outputs_under(int tap, int stride, int dilation, int before, int size, int outputs) {
  const int offset = tap * dilation - before;  // of output 0
  const int first = offset < 0 ? (-offset + stride - 1) / stride : 0;
  const int end = offset >= size ? 0 : std::min(outputs, (size - 1 - offset) / stride + 1);
  return {first, std::max(first, end)};
}

}  // namespace strata::inline STRATA_ABI::cpu::detail
