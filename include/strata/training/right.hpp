// SPDX-License-Identifier: BSL-1.0
// What the accuracy of training counts: the decisions of a row, and how many of them are right. Shared by host and device.
//   class index, class map, distribution   one decision a row: the class of the largest output, the first of equals
//   labels                                 one decision an output: whether it is above the threshold
//   values                                 none
#pragma once
#include <cstdint>

#include <strata/core/host_device.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/target.hpp>
#include <strata/losses/losses.hpp>
#include <strata/training/metrics.hpp>
#include <strata/training/rows.hpp>
#include <strata/training/steps.hpp>

namespace strata::inline STRATA_ABI::detail {

constexpr std::int64_t decisions_of_row(TargetKind kind, int width) {
  return kind == TargetKind::values ? 0 : kind == TargetKind::labels ? width : 1;
}

// The output above which a label counts as given.
template <class Loss>
constexpr double decision_threshold(const Loss&) {
  return Loss::takes == Takes::logits ? 0 : 0.5;
}
template <class Loss>
constexpr double decision_threshold(const Unchecked<Loss>& loss) {
  return decision_threshold(loss.loss);
}

// x (width): the outputs of a row; target: its class index, or (width) numbers.
template <TargetKind Kind, class Number, class T, class Element>
STRATA_HOST_DEVICE int right_decisions(int width, double threshold, const T* x, const Element* target) {
  if constexpr (is_class(Kind)) {
    return largest_of<Number>(width, x) == *target ? 1 : 0;
  } else if constexpr (Kind == TargetKind::distribution) {
    const int best = largest_of<Number>(width, x);
    return best >= 0 && best == largest_of<Number>(width, target) ? 1 : 0;
  } else if constexpr (Kind == TargetKind::labels) {
    int right = 0;
    for (int c = 0; c < width; ++c) {
      const Number v = static_cast<Number>(x[c]);
      right += v == v && (v > static_cast<Number>(threshold)) == (static_cast<double>(target[c]) > 0.5);
    }
    return right;
  } else {
    return 0;
  }
}

inline StepResult step_result(const RowsOfSample& rows, const FinishedStep& s) {
  return {.loss = s.loss / static_cast<double>(rows.each),
          .correct = s.correct,
          .samples = s.samples,
          .decisions = s.samples * rows.decision_rows() * decisions_of_row(rows.kind, rows.decision_width())};
}

template <TargetKind Kind, class T, class Element>
std::int64_t right_rows(std::int64_t rows, int width, double threshold, const T* outputs, const Element* targets) {
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < rows; ++i)
    right += right_decisions<Kind, T>(width, threshold, outputs + i * width, targets + i * (is_class(Kind) ? 1 : width));
  return right;
}
// Loss and right decisions of n samples, added in the order of their rows. values: the rows' losses. targets: ints or
// floats, as the kind says.
template <class T>
FinishedStep sums_of_rows(const RowsOfSample& of, double threshold, std::int64_t n, const T* outputs, const void* targets,
                          const T* values) {
  FinishedStep sums;
  const std::int64_t rows = n * of.decision_rows();
  const int width = of.decision_width();
  for (std::int64_t i = 0; i < n * of.each; ++i) sums.loss += static_cast<double>(values[i]);
  const auto* classes = static_cast<const int*>(targets);
  const auto* numbers = static_cast<const float*>(targets);
  switch (of.kind) {
    case TargetKind::class_index:
    case TargetKind::class_map:
      sums.correct = right_rows<TargetKind::class_index>(rows, width, threshold, outputs, classes);
      break;
    case TargetKind::distribution:
      sums.correct = right_rows<TargetKind::distribution>(rows, width, threshold, outputs, numbers);
      break;
    case TargetKind::labels:
      sums.correct = right_rows<TargetKind::labels>(rows, width, threshold, outputs, numbers);
      break;
    case TargetKind::values:
      break;
  }
  return sums;
}

}  // namespace strata::inline STRATA_ABI::detail
