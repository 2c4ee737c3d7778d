// SPDX-License-Identifier: BSL-1.0
// The functions of class_metrics.hpp.
#pragma once
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/training/class_metrics.hpp>
#include <strata/training/metrics.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

STRATA_DEFINE void ClassTally::add(const MetricSample& s, double threshold) {
  if (s.kind == TargetKind::labels) {
    counts_.resize(s.outputs.size());
    for (std::size_t c = 0; c < s.outputs.size(); ++c) {
      const bool truth = s.target.values[c] > 0.5f, predicted = static_cast<double>(s.outputs[c]) > threshold;
      counts_[c].truth += truth, counts_[c].predicted += predicted, counts_[c].both += truth && predicted;
    }
    return;
  }
  const auto width = static_cast<std::size_t>(s.shape.channels);
  counts_.resize(width);
  for (std::size_t row = 0; row < s.rows(); ++row) {
    const int truth = s.truth(row), predicted = predicted_class(s.outputs.subspan(row * width, width));
    ++counts_[static_cast<std::size_t>(truth)].truth;
    if (predicted < 0) continue;
    ++counts_[static_cast<std::size_t>(predicted)].predicted;
    counts_[static_cast<std::size_t>(truth)].both += truth == predicted;
  }
}

STRATA_DEFINE std::vector<MetricValue> ClassTally::values(const char* mean, const char* each, bool per_class,
                                                          double (*share)(const Count&)) const {
  std::vector<MetricValue> values{{mean, 0}};
  int occur = 0;
  for (std::size_t c = 0; c < counts_.size(); ++c) {
    const double x = share(counts_[c]);  // NaN: the class does not occur
    if (x == x) values[0].value += x, ++occur;
    if (per_class) values.push_back({std::string(each) + "_" + std::to_string(c), x == x ? x : 0});
  }
  if (occur > 0) values[0].value /= occur;
  return values;
}

STRATA_DEFINE double share_or_nan(std::int64_t part, std::int64_t all) {
  return all > 0 ? static_cast<double>(part) / static_cast<double>(all) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace detail

STRATA_DEFINE std::vector<MetricValue> F1::values() const {
  return tally_.values("f1", "f1", per_class, [](const detail::ClassTally::Count& n) {
    return detail::share_or_nan(2 * n.both, n.truth + n.predicted);
  });
}
STRATA_DEFINE std::vector<MetricValue> IoU::values() const {
  return tally_.values("mean_iou", "iou", per_class, [](const detail::ClassTally::Count& n) {
    return detail::share_or_nan(n.both, n.truth + n.predicted - n.both);
  });
}
STRATA_DEFINE std::vector<MetricValue> ClassAccuracy::values() const {
  return tally_.values("balanced_accuracy", "accuracy", per_class,
                       [](const detail::ClassTally::Count& n) { return detail::share_or_nan(n.both, n.truth); });
}

}  // namespace strata::inline STRATA_ABI
