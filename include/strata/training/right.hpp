// SPDX-License-Identifier: BSL-1.0
// What the accuracy of training counts: the decisions of a row, and how many of them are right. Shared by host and device.
//   class index, class map, distribution   one decision a row: the class of the largest output, the first of equals
//   labels                                 one decision an output: whether it is above the threshold
//   values                                 none
#pragma once
#include <cstdint>

#include <strata/core/host_device.hpp>
#include <strata/core/target.hpp>
#include <strata/losses/losses.hpp>
#include <strata/training/metrics.hpp>
#include <strata/training/steps.hpp>

namespace strata::detail {

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

template <TargetKind Kind>
StepResult step_result(const FinishedStep& s, std::int64_t rows_each, int width) {
  return {.loss = s.loss / static_cast<double>(rows_each),
          .correct = s.correct,
          .samples = s.samples,
          .decisions = s.samples * rows_each * decisions_of_row(Kind, width)};
}
// Loss and right decisions of rows, added in their order. values: their losses.
template <TargetKind Kind, class Loss, class T, class Element>
FinishedStep sums_of_rows(const Loss& loss, std::int64_t rows, int width, const T* outputs, const Element* targets,
                          const T* values) {
  const double threshold = decision_threshold(loss);
  FinishedStep sums;
  for (std::int64_t i = 0; i < rows; ++i) {
    sums.loss += static_cast<double>(values[i]);
    sums.correct +=
        right_decisions<Kind, T>(width, threshold, outputs + i * width, targets + i * (is_class(Kind) ? 1 : width));
  }
  return sums;
}
// The same of whole samples.
template <TargetKind Kind, class Loss, class T, class Element>
StepResult step_result(const Loss& loss, std::int64_t rows, std::int64_t rows_each, int width, const T* outputs,
                       const Element* targets, const T* values) {
  FinishedStep sums = sums_of_rows<Kind>(loss, rows, width, outputs, targets, values);
  sums.samples = static_cast<int>(rows / rows_each);
  return step_result<Kind>(sums, rows_each, width);
}

}  // namespace strata::detail
