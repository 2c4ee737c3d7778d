// SPDX-License-Identifier: BSL-1.0
// What training counts. Outputs that are not numbers never count as right, and shares of nothing are 0, as in Keras.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <strata/core/host_device.hpp>
#include <strata/core/linkage.hpp>
#include <strata/training/metric.hpp>

namespace strata::inline STRATA_ABI {

namespace detail {
// Of `width` numbers the index of the largest, the first of equals; -1 if one is NaN.
template <class Number, class T>
STRATA_HOST_DEVICE int largest_of(int width, const T* x) {
  int best = 0;
  Number top = static_cast<Number>(x[0]);
  bool number = top == top;
  for (int c = 1; c < width; ++c) {
    const Number v = static_cast<Number>(x[c]);
    number = number && v == v;
    if (v > top) top = v, best = c;
  }
  return number ? best : -1;
}
}  // namespace detail

// The class of the largest output, the first of equals; -1 where an output is NaN, or there is none.
template <class T>
[[nodiscard]] int predicted_class(std::span<const T> outputs) {
  return outputs.empty() ? -1 : detail::largest_of<T>(static_cast<int>(outputs.size()), outputs.data());
}

// The share of samples whose class is right.
struct Accuracy {
  std::int64_t correct = 0, samples = 0;

  void add(int truth, int predicted) {
    correct += predicted >= 0 && predicted == truth ? 1 : 0;
    ++samples;
  }
  [[nodiscard]] double value() const {
    return samples == 0 ? 0 : static_cast<double>(correct) / static_cast<double>(samples);
  }
};

// NaN if samples were seen and none of them had a decision: targets that are values.
inline double accuracy_of(const Accuracy& accuracy, std::int64_t samples) {
  return accuracy.samples == 0 && samples > 0 ? std::numeric_limits<double>::quiet_NaN() : accuracy.value();
}

// The mean of what was added, in the order it was added; compensated (Neumaier 1974), so that a million small losses do not
// drown in their sum. A NaN makes it NaN: a loss that failed is not hidden.
class RunningMean {
 public:
  // The mean of `samples` values.
  void add(double mean, std::int64_t samples = 1) {
    const double x = mean * static_cast<double>(samples), sum = sum_ + x;
    lost_ += std::abs(sum_) >= std::abs(x) ? (sum_ - sum) + x : (x - sum) + sum_;
    sum_ = sum;
    samples_ += samples;
  }
  // All of it, for a file.
  struct Sums {
    double sum = 0, lost = 0;
    std::int64_t samples = 0;
  };
  RunningMean() = default;
  explicit RunningMean(const Sums& s) : sum_(s.sum), lost_(s.lost), samples_(s.samples) {}
  [[nodiscard]] Sums sums() const { return {sum_, lost_, samples_}; }

  [[nodiscard]] std::int64_t samples() const { return samples_; }
  [[nodiscard]] double value() const {
    // Beyond the range of double, what was lost is NaN and the sum says infinity.
    const double sum = std::isfinite(sum_) ? sum_ + lost_ : sum_;
    return samples_ == 0 ? 0 : sum / static_cast<double>(samples_);
  }

 private:
  double sum_ = 0, lost_ = 0;
  std::int64_t samples_ = 0;
};

// How often each true class was taken for each class.
class ConfusionTable {
 public:
  ConfusionTable() = default;
  // Throws std::invalid_argument for a negative number of classes.
  explicit ConfusionTable(int classes);

  // predicted is -1 where the network gave no class (see predicted_class). Throws std::out_of_range.
  void add(int truth, int predicted) { ++counts_[index(truth, predicted)]; }
  // Samples of class `truth` that were taken for `predicted`; -1: for none.
  [[nodiscard]] std::int64_t at(int truth, int predicted) const { return counts_[index(truth, predicted)]; }
  [[nodiscard]] int classes() const { return classes_; }
  [[nodiscard]] std::int64_t samples() const;
  [[nodiscard]] double accuracy() const;
  // Of what is this class, the share found; of what was called this class, the share that is. 0 where there is none.
  [[nodiscard]] double recall(int c) const;
  [[nodiscard]] double precision(int c) const;

  // A row for each true class with its recall, a column for each prediction with its precision below; a column "none" where
  // samples have no class. Names are cut to 12 bytes; classes without a name are numbered.
  [[nodiscard]] std::string text(std::span<const std::string_view> names = {}) const;

 private:
  [[nodiscard]] std::size_t index(int truth, int predicted) const;

  int classes_ = 0;
  std::vector<std::int64_t> counts_;  // a row a true class: none, class 0, class 1, ...
};

// A sample that was taken for another class.
struct Mistake {
  std::size_t sample = 0;  // its number in the data set
  int label = 0, predicted = 0;
  double probability = 0;        // of the class predicted
  double label_probability = 0;  // of the class that it is
};

// Of all mistakes those with the highest probability, at most so many; memory is for these alone.
class ConfidentMistakes {
 public:
  explicit ConfidentMistakes(std::size_t most = 0) : most_(most) {}

  // Of each sample, in order. predicted is -1 where the network gave no class, which is no mistake with a probability.
  // probability(class) is asked of mistakes alone.
  template <class F>
  void add(int label, int predicted, F&& probability) {
    const std::size_t sample = samples_++;
    if (most_ == 0 || predicted < 0 || predicted == label) return;
    keep({sample, label, predicted, probability(predicted), probability(label)});
  }
  // The highest first; equals in the order of the samples.
  [[nodiscard]] const std::vector<Mistake>& kept() const { return kept_; }

 private:
  void keep(const Mistake& mistake);

  std::size_t most_, samples_ = 0;
  std::vector<Mistake> kept_;
};

struct EpochRecord {
  int epoch = 0;  // from 1
  double loss = 0, accuracy = 0;
  std::optional<double> validation_loss{}, validation_accuracy{};
  std::int64_t samples = 0;  // fewer than the data set's where training ended within the epoch
  double seconds = 0;        // of the training steps, input included
  std::int64_t step = 0;     // updates of the whole run, at its end
  double learning_rate = 0;  // of the last of them
  std::vector<MetricValue> validation_metrics{};
};

namespace detail {
// The names of all validation metrics in the order in which they appear.
std::vector<std::string> metric_names(std::span<const EpochRecord> history);
}  // namespace detail

// Sums over the samples of a step: loss / samples is the mean loss, correct / decisions the accuracy. A class index is one
// decision a sample, a class map one a place, labels are one each, and values none.
struct StepResult {
  double loss = 0;
  std::int64_t correct = 0;
  int samples = 0;
  std::int64_t decisions = 0;
};

struct Evaluation {
  double loss = 0, accuracy = 0;  // means over the samples; NaN is the accuracy of values
  ConfusionTable confusion;       // of all of them; fewer than the data set's where it was stopped
  std::vector<Mistake> mistakes;  // the most confident, as many as were asked for
  std::vector<MetricValue> metrics{};
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/training/metrics_impl.hpp>
#endif
