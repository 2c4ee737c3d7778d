// SPDX-License-Identifier: BSL-1.0
// What training counts. Outputs that are not numbers never count as right, and shares of nothing are 0, as in Keras.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <strata/core/host_device.hpp>
#include <strata/training/metric.hpp>

namespace strata {

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
  explicit ConfusionTable(int classes) : classes_(classes) {
    if (classes < 0) throw std::invalid_argument("strata: a confusion table of " + std::to_string(classes) + " classes");
    counts_.resize(static_cast<std::size_t>(classes) * (static_cast<std::size_t>(classes) + 1));
  }

  // predicted is -1 where the network gave no class (see predicted_class). Throws std::out_of_range.
  void add(int truth, int predicted) { ++counts_[index(truth, predicted)]; }
  // Samples of class `truth` that were taken for `predicted`; -1: for none.
  [[nodiscard]] std::int64_t at(int truth, int predicted) const { return counts_[index(truth, predicted)]; }
  [[nodiscard]] int classes() const { return classes_; }
  [[nodiscard]] std::int64_t samples() const {
    std::int64_t all = 0;
    for (const std::int64_t n : counts_) all += n;
    return all;
  }
  [[nodiscard]] double accuracy() const {
    Accuracy a{0, samples()};
    for (int c = 0; c < classes_; ++c) a.correct += at(c, c);
    return a.value();
  }
  // Of what is this class, the share found; of what was called this class, the share that is. 0 where there is none.
  [[nodiscard]] double recall(int c) const {
    Accuracy a{at(c, c), at(c, -1)};
    for (int p = 0; p < classes_; ++p) a.samples += at(c, p);
    return a.value();
  }
  [[nodiscard]] double precision(int c) const {
    Accuracy a{at(c, c), 0};
    for (int t = 0; t < classes_; ++t) a.samples += at(t, c);
    return a.value();
  }

  // A row for each true class with its recall, a column for each prediction with its precision below; a column "none" where
  // samples have no class. Names are cut to 12 bytes; classes without a name are numbered.
  [[nodiscard]] std::string text(std::span<const std::string_view> names = {}) const {
    const auto share = [](double x) {
      char buffer[16];
      std::snprintf(buffer, sizeof buffer, "%.3f", x);
      return std::string(buffer);
    };
    bool none = false;
    for (int t = 0; t < classes_; ++t) none = none || at(t, -1) > 0;
    std::vector<std::vector<std::string>> rows{{""}};
    for (int t = 0; t < classes_; ++t) {
      const auto i = static_cast<std::size_t>(t);
      const std::string label = i < names.size() ? std::string(names[i].substr(0, 12)) : std::to_string(t);
      rows[0].push_back(label);
      rows.push_back({label});
      for (int p = 0; p < classes_; ++p) rows.back().push_back(std::to_string(at(t, p)));
      if (none) rows.back().push_back(std::to_string(at(t, -1)));
      rows.back().push_back(share(recall(t)));
    }
    if (none) rows[0].push_back("none");
    rows[0].push_back("recall");
    rows.push_back({"precision"});
    for (int p = 0; p < classes_; ++p) rows.back().push_back(share(precision(p)));

    std::vector<std::size_t> widths(rows[0].size());
    if (none) widths.end()[-2] = 8;
    for (const auto& row : rows)
      for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    std::string out;
    for (const auto& row : rows) {
      out += row[0] + std::string(widths[0] - row[0].size(), ' ');
      for (std::size_t i = 1; i < row.size(); ++i) out += std::string(1 + widths[i] - row[i].size(), ' ') + row[i];
      out += '\n';
    }
    return out;
  }

 private:
  [[nodiscard]] std::size_t index(int truth, int predicted) const {
    if (truth < 0 || truth >= classes_ || predicted < -1 || predicted >= classes_)
      throw std::out_of_range("strata: class " + std::to_string(truth) + " taken for " + std::to_string(predicted) +
                              " in a confusion table of " + std::to_string(classes_) + " classes");
    return static_cast<std::size_t>(truth) * (static_cast<std::size_t>(classes_) + 1) +
           static_cast<std::size_t>(predicted + 1);
  }

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
    const Mistake m{sample, label, predicted, probability(predicted), probability(label)};
    const auto lower = [](const Mistake& a, const Mistake& b) { return a.probability > b.probability; };
    if (std::isnan(m.probability)) return;  // of infinite outputs
    kept_.insert(std::upper_bound(kept_.begin(), kept_.end(), m, lower), m);
    if (kept_.size() > most_) kept_.pop_back();
  }
  // The highest first; equals in the order of the samples.
  [[nodiscard]] const std::vector<Mistake>& kept() const { return kept_; }

 private:
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

}  // namespace strata
