// SPDX-License-Identifier: BSL-1.0
// The functions of metrics.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/training/metrics.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE ConfusionTable::ConfusionTable(int classes) : classes_(classes) {
  if (classes < 0) throw std::invalid_argument("strata: a confusion table of " + std::to_string(classes) + " classes");
  counts_.resize(static_cast<std::size_t>(classes) * (static_cast<std::size_t>(classes) + 1));
}

STRATA_DEFINE std::int64_t ConfusionTable::samples() const {
  std::int64_t all = 0;
  for (const std::int64_t n : counts_) all += n;
  return all;
}

STRATA_DEFINE double ConfusionTable::accuracy() const {
  Accuracy a{0, samples()};
  for (int c = 0; c < classes_; ++c) a.correct += at(c, c);
  return a.value();
}

STRATA_DEFINE double ConfusionTable::recall(int c) const {
  Accuracy a{at(c, c), at(c, -1)};
  for (int p = 0; p < classes_; ++p) a.samples += at(c, p);
  return a.value();
}

STRATA_DEFINE double ConfusionTable::precision(int c) const {
  Accuracy a{at(c, c), 0};
  for (int t = 0; t < classes_; ++t) a.samples += at(t, c);
  return a.value();
}

STRATA_DEFINE std::string ConfusionTable::text(std::span<const std::string_view> names) const {
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

STRATA_DEFINE std::size_t ConfusionTable::index(int truth, int predicted) const {
  if (truth < 0 || truth >= classes_ || predicted < -1 || predicted >= classes_)
    throw std::out_of_range("strata: class " + std::to_string(truth) + " taken for " + std::to_string(predicted) +
                            " in a confusion table of " + std::to_string(classes_) + " classes");
  return static_cast<std::size_t>(truth) * (static_cast<std::size_t>(classes_) + 1) +
         static_cast<std::size_t>(predicted + 1);
}

STRATA_DEFINE void ConfidentMistakes::keep(const Mistake& mistake) {
  const auto lower = [](const Mistake& a, const Mistake& b) { return a.probability > b.probability; };
  if (std::isnan(mistake.probability)) return;  // of infinite outputs
  kept_.insert(std::upper_bound(kept_.begin(), kept_.end(), mistake, lower), mistake);
  if (kept_.size() > most_) kept_.pop_back();
}

STRATA_DEFINE std::vector<std::string> detail::metric_names(std::span<const EpochRecord> history) {
  std::vector<std::string> names;
  for (const EpochRecord& r : history)
    for (const MetricValue& m : r.validation_metrics)
      if (std::find(names.begin(), names.end(), m.name) == names.end()) names.push_back(m.name);
  return names;
}

}  // namespace strata::inline STRATA_ABI
