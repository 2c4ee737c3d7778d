// SPDX-License-Identifier: BSL-1.0
// The sections of a report about the confusion matrix: the matrix, and precision and recall of each class.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/report/html.hpp>
#include <strata/training/metrics.hpp>

namespace strata::inline STRATA_ABI::detail {

class ConfusionSections {
 public:
  // Refers to both. A class without a name gets its number.
  ConfusionSections(const ConfusionTable& table, const std::vector<std::string>& names) : table_(table), names_(names) {}

  std::string text() {
    out_ = "<section id=\"confusion\">\n<h2>Confusion matrix</h2>\n";
    table_.classes() <= most_in_a_table ? confusion_table() : confusion_map();
    most_confused();
    out_ += "</section>\n";
    per_class();
    return std::move(out_);
  }

 private:
  static constexpr int most_in_a_table = 20;

  [[nodiscard]] std::string name(int c) const { return class_name(names_, c); }
  static std::string count(std::int64_t n) { return std::to_string(n); }

  // The fraction of the samples of class t that were predicted as p; -1: as no class.
  [[nodiscard]] double fraction(int t, int p) const {
    std::int64_t all = 0;
    for (int c = -1; c < table_.classes(); ++c) all += table_.at(t, c);
    return all == 0 ? 0 : static_cast<double>(table_.at(t, p)) / static_cast<double>(all);
  }
  [[nodiscard]] bool has_none() const {
    for (int t = 0; t < table_.classes(); ++t)
      if (table_.at(t, -1) > 0) return true;
    return false;
  }

  void confusion_table() {
    std::vector<int> columns;
    for (int p = 0; p < table_.classes(); ++p) columns.push_back(p);
    if (has_none()) columns.push_back(-1);
    out_ +=
        "<p>Rows are true classes, columns are predictions.</p>\n<div class=\"wide\"><table "
        "class=\"matrix\">\n<thead><tr><th></th>";
    for (const int p : columns) out_ += "<th><span>" + (p < 0 ? "none" : name(p)) + "</span></th>";
    out_ += "</tr></thead>\n<tbody>\n";
    for (int t = 0; t < table_.classes(); ++t) {
      out_ += "<tr><th>" + name(t) + "</th>";
      for (const int p : columns) {
        // The square root makes rare ones visible.
        const std::string shade = rounded(0.75 * std::sqrt(fraction(t, p)), 3);
        const char* kind = p == t ? "hit" : table_.at(t, p) == 0 ? "zero" : "miss";
        out_ += std::string("<td class=\"") + kind + "\" style=\"--s:" + shade + "\">" + count(table_.at(t, p)) + "</td>";
      }
      out_ += "</tr>\n";
    }
    out_ += "</tbody></table></div>\n";
  }

  // For too many classes to print numbers: a map whose cells show their number as a tooltip.
  void confusion_map() {
    const int n = table_.classes();
    const double cell = std::max(1.0, 900.0 / n);
    const bool named = cell >= 7;
    std::size_t longest = 0;  // 4.6: about the width of a letter
    for (int c = 0; named && c < n; ++c) longest = std::max(longest, name(c).size());
    const double left = 8 + 4.6 * static_cast<double>(longest), top = left;
    out_ +=
        "<p>Rows are true classes, columns are predictions. The stronger the colour of a cell, the larger its fraction of "
        "the "
        "row; point at a cell for its number.</p>\n<div class=\"wide\"><svg class=\"map\" role=\"img\" "
        "aria-label=\"Confusion matrix\" "
        "viewBox=\"0 0 " +
        fixed(left + n * cell + 4, 0) + " " + fixed(top + n * cell + 4, 0) + "\">\n<rect class=\"frame\" x=\"" +
        fixed(left, 0) + "\" y=\"" + fixed(top, 0) + "\" width=\"" + fixed(n * cell, 1) + "\" height=\"" +
        fixed(n * cell, 1) + "\"/>\n";
    for (int c = 0; named && c < n; ++c) {
      out_ += "<text text-anchor=\"end\" x=\"" + fixed(left - 3, 0) + "\" y=\"" +
              fixed(top + c * cell + cell / 2 + 2.6, 1) + "\">" + name(c) + "</text><text transform=\"translate(" +
              fixed(left + c * cell + cell / 2 + 2.6, 1) + " " + fixed(top - 3, 0) + ") rotate(-90)\">" + name(c) +
              "</text>\n";
    }
    const std::string side = fixed(cell, 2);
    for (int t = 0; t < n; ++t)
      for (int p = 0; p < n; ++p) {
        if (table_.at(t, p) == 0) continue;
        out_ += std::string("<rect class=\"") + (p == t ? "hit" : "miss") + "\" x=\"" + fixed(left + p * cell, 1) +
                "\" y=\"" + fixed(top + t * cell, 1) + "\" width=\"" + side + "\" height=\"" + side + "\" opacity=\"" +
                rounded(std::sqrt(fraction(t, p)), 2) + "\"><title>" + name(t) + " predicted as " + name(p) + ": " +
                count(table_.at(t, p)) + "</title></rect>\n";
      }
    out_ += "</svg></div>\n";
  }

  void most_confused() {
    constexpr std::size_t most = 12;
    std::vector<std::tuple<std::int64_t, int, int>> pairs;
    for (int t = 0; t < table_.classes(); ++t)
      for (int p = 0; p < table_.classes(); ++p)
        if (t != p && table_.at(t, p) > 0) pairs.emplace_back(-table_.at(t, p), t, p);
    std::sort(pairs.begin(), pairs.end());
    if (pairs.size() > most) pairs.resize(most);
    if (pairs.empty()) return;
    out_ += "<p>Most frequent confusions:";
    for (const auto& [n, t, p] : pairs)
      out_ += (&n == &std::get<0>(pairs.front()) ? " " : ", ") + name(t) + " as " + name(p) + " (" + count(-n) + ")";
    out_ += ".</p>\n";
  }

  void per_class() {
    constexpr int rows = 34;  // of one table; further tables are beside it
    out_ += "<section id=\"classes\">\n<h2>Precision and recall</h2>\n";
    out_ +=
        "<p>Precision: the fraction of the predictions of a class that are right. Recall: the fraction of the images of a "
        "class "
        "that are found.</p>\n"
        "<div class=\"flow\">\n";
    const auto cell = [](double x) {
      return "<td class=\"bar\" style=\"--v:" + rounded(x, 4) + "\">" + data_element(x, fixed(x, 3)) + "</td>";
    };
    for (int first = 0; first < table_.classes(); first += rows) {
      out_ +=
          "<table>\n<thead><tr><th "
          "class=\"name\">class</th><th>images</th><th>precision</th><th>recall</th></tr></thead>\n<tbody>\n";
      for (int c = first; c < std::min(first + rows, table_.classes()); ++c) {
        std::int64_t images = 0;
        for (int p = -1; p < table_.classes(); ++p) images += table_.at(c, p);
        out_ += "<tr><th>" + name(c) + "</th><td>" + count(images) + "</td>" + cell(table_.precision(c)) +
                cell(table_.recall(c)) + "</tr>\n";
      }
      out_ += "</tbody></table>\n";
    }
    out_ += "</div>\n</section>\n";
  }

  const ConfusionTable& table_;
  const std::vector<std::string>& names_;
  std::string out_;
};

}  // namespace strata::inline STRATA_ABI::detail
