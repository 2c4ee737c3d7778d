// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace strata {

// How often each true class was taken for each class.
class ConfusionTable {
 public:
  ConfusionTable() = default;
  explicit ConfusionTable(int classes)
      : classes_(classes), counts_(static_cast<std::size_t>(classes) * static_cast<std::size_t>(classes)) {}
  void add(int truth, int predicted) { ++counts_[index(truth, predicted)]; }
  [[nodiscard]] std::int64_t at(int truth, int predicted) const { return counts_[index(truth, predicted)]; }
  [[nodiscard]] int classes() const { return classes_; }
  // Of what is this class, the share found; of what was called this class, the share that is. 0 where there is none.
  [[nodiscard]] double recall(int c) const { return share(c, true); }
  [[nodiscard]] double precision(int c) const { return share(c, false); }

  // One line a true class, columns in the same order.
  [[nodiscard]] std::string text(std::span<const std::string_view> names) const {
    std::string out;
    char buffer[32];
    for (int t = 0; t < classes_; ++t) {
      const std::string_view name = static_cast<std::size_t>(t) < names.size() ? names[static_cast<std::size_t>(t)] : "";
      std::snprintf(buffer, sizeof buffer, "%12.*s", static_cast<int>(name.size() < 12 ? name.size() : 12), name.data());
      out += buffer;
      for (int p = 0; p < classes_; ++p) {
        std::snprintf(buffer, sizeof buffer, " %5lld", static_cast<long long>(at(t, p)));
        out += buffer;
      }
      out += '\n';
    }
    return out;
  }

 private:
  [[nodiscard]] std::size_t index(int t, int p) const {
    return static_cast<std::size_t>(t) * static_cast<std::size_t>(classes_) + static_cast<std::size_t>(p);
  }
  [[nodiscard]] double share(int c, bool row) const {
    std::int64_t all = 0;
    for (int i = 0; i < classes_; ++i) all += row ? at(c, i) : at(i, c);
    return all == 0 ? 0 : static_cast<double>(at(c, c)) / static_cast<double>(all);
  }
  int classes_ = 0;
  std::vector<std::int64_t> counts_;
};

}  // namespace strata
