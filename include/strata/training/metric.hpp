// SPDX-License-Identifier: BSL-1.0
// Metric: any metric as one type. Evaluations compute them: evaluate(model, data, loss, {.metrics = {TopK{5}}}), and the
// validation of train().
#pragma once
#include <algorithm>
#include <any>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/target.hpp>
#include <strata/data/targets.hpp>

namespace strata::inline STRATA_ABI {

// One sample, as a metric sees it.
struct MetricSample {
  std::span<const float> outputs;  // of the network
  Shape shape;                     // of the outputs
  TargetKind kind;
  Targets target;  // of this sample

  // The classes that the target gives: that of the sample, or of each place of a map. That of a distribution is its most
  // likely one.
  [[nodiscard]] std::size_t rows() const { return kind == TargetKind::distribution ? 1 : target.classes.size(); }
  [[nodiscard]] int truth(std::size_t row) const {
    if (kind != TargetKind::distribution) return target.classes[row];
    return static_cast<int>(std::max_element(target.values.begin(), target.values.end()) - target.values.begin());
  }
};

struct MetricValue {
  std::string name;
  double value = 0;
  friend bool operator==(const MetricValue&, const MetricValue&) = default;
};

namespace detail {
template <class M>
std::vector<MetricValue> values_of(const M& m) {
  if constexpr (requires { m.values(); })
    return m.values();
  else
    return {{m.name(), m.value()}};
}
}  // namespace detail

// A metric of your own is a copyable struct: add() is called for each sample, in order; value() is the result so far. A
// metric of several numbers has values(), each with its name, in place of value(). A fresh copy of the metric as given
// begins each evaluation.
template <class M>
concept MetricFunction = std::copy_constructible<M> && requires(M& m, const M& c, const MetricSample& s) {
  { c.name() } -> std::convertible_to<std::string>;
  m.add(s);
  requires requires {
    { c.value() } -> std::convertible_to<double>;
  } || requires {
    { c.values() } -> std::convertible_to<std::vector<MetricValue>>;
  };
};

// Any such struct as one type.
class Metric {
 public:
  template <class M>
    requires(!std::same_as<M, Metric> && MetricFunction<M>)
  Metric(M m)  // NOLINT: {.metrics = {TopK{5}}}
      : own_(std::move(m)),
        name_([](const std::any& own) -> std::string { return std::any_cast<const M&>(own).name(); }),
        add_([](std::any& own, const MetricSample& sample) { std::any_cast<M&>(own).add(sample); }),
        values_([](const std::any& own) { return detail::values_of(std::any_cast<const M&>(own)); }) {}

  [[nodiscard]] std::string name() const { return name_(own_); }
  void add(const MetricSample& sample) { add_(own_, sample); }
  // One or more; the first is that of the metric's name.
  [[nodiscard]] std::vector<MetricValue> values() const { return values_(own_); }

 private:
  std::any own_;
  std::string (*name_)(const std::any& own);
  void (*add_)(std::any& own, const MetricSample& sample);
  std::vector<MetricValue> (*values_)(const std::any& own);
};

// The fraction of samples (or places of a map) whose class is among the k largest outputs; ties count against it.
struct TopK {
  int k = 5;
  [[nodiscard]] std::string name() const { return "top_" + std::to_string(k); }
  void add(const MetricSample& s) {
    const auto width = static_cast<std::size_t>(s.shape.channels);
    for (std::size_t row = 0; row < s.rows(); ++row) {
      const std::span<const float> x = s.outputs.subspan(row * width, width);
      const float own = x[static_cast<std::size_t>(s.truth(row))];
      int above = 0;
      for (const float v : x) above += v >= own || v != v;
      right_ += above <= k && own == own;
      ++all_;
    }
  }
  [[nodiscard]] double value() const { return all_ == 0 ? 0 : static_cast<double>(right_) / static_cast<double>(all_); }

  std::int64_t right_ = 0, all_ = 0;  // so far
};

// The mean of |output - target| over targets of numbers.
struct MeanAbsoluteError {
  [[nodiscard]] static std::string name() { return "mean_absolute_error"; }
  void add(const MetricSample& s) {
    for (std::size_t i = 0; i < s.target.values.size(); ++i) {
      const double d = static_cast<double>(s.outputs[i]) - static_cast<double>(s.target.values[i]);
      sum_ += d < 0 ? -d : d;
      ++all_;
    }
  }
  [[nodiscard]] double value() const { return all_ == 0 ? 0 : sum_ / static_cast<double>(all_); }

  double sum_ = 0;  // so far
  std::int64_t all_ = 0;
};

}  // namespace strata::inline STRATA_ABI
