// SPDX-License-Identifier: BSL-1.0
// Metrics of classes, for class indices, class maps (each place counts) and labels: {.metrics = {F1{}, IoU{.per_class =
// true}}}. Means are over the classes that occur, in truth or in prediction; without any they are 0. Outputs that are not
// numbers predict nothing.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/training/metric.hpp>

namespace strata::inline STRATA_ABI {

namespace detail {

// For each class how often it was true, predicted, and both.
class ClassTally {
 public:
  // threshold: the output above which a label is predicted.
  void add(const MetricSample& s, double threshold);
  struct Count {
    std::int64_t truth = 0, predicted = 0, both = 0;
  };
  // The mean over the classes that occur of share(count), named `mean`; then, if wanted, that of each class, named
  // `each`_<class>.
  [[nodiscard]] std::vector<MetricValue> values(const char* mean, const char* each, bool per_class,
                                                double (*share)(const Count&)) const;

 private:
  std::vector<Count> counts_;
};

}  // namespace detail

// The harmonic mean of precision and recall, 2 both / (truth + predicted), as a mean over the classes: scikit-learn's
// f1_score(average="macro"). Keras' F1Score(average="macro") counts classes that do not occur too, as 0.
struct F1 {
  bool per_class = false;  // f1_0, f1_1, ... too
  double threshold = 0;    // of labels: 0 for logits, 0.5 for probabilities

  [[nodiscard]] static std::string name() { return "f1"; }
  void add(const MetricSample& s) { tally_.add(s, threshold); }
  [[nodiscard]] std::vector<MetricValue> values() const;

  detail::ClassTally tally_{};  // so far
};

// Intersection over union, both / (truth + predicted - both), as a mean over the classes: Keras' MeanIoU, torchmetrics'
// JaccardIndex.
struct IoU {
  bool per_class = false;  // iou_0, iou_1, ... too
  double threshold = 0;

  [[nodiscard]] static std::string name() { return "mean_iou"; }
  void add(const MetricSample& s) { tally_.add(s, threshold); }
  [[nodiscard]] std::vector<MetricValue> values() const;

  detail::ClassTally tally_{};
};

// The share of each class that is found, both / truth: accuracy_0, accuracy_1, ..., after their mean over the classes that
// are in the data, which scikit-learn calls balanced_accuracy.
struct ClassAccuracy {
  bool per_class = true;
  double threshold = 0;

  [[nodiscard]] static std::string name() { return "balanced_accuracy"; }
  void add(const MetricSample& s) { tally_.add(s, threshold); }
  [[nodiscard]] std::vector<MetricValue> values() const;

  detail::ClassTally tally_{};
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/training/class_metrics_impl.hpp>
#endif
