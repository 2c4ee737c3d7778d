// SPDX-License-Identifier: BSL-1.0
// A run as one HTML file that holds all it shows: nothing is fetched, and no script is needed to read it.
//   const std::vector<EpochRecord> history = train(model, data, loss, optimizer, {.epochs = 20, .validation = test});
//   const Evaluation result = evaluate(model, test, loss, {.mistakes = 40});
//   write_report("report.html", make_report(model, test, history, result, Cifar10::class_names));
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <strata/core/summary.hpp>
#include <strata/report/html.hpp>
#include <strata/report/image.hpp>
#include <strata/training/metrics.hpp>
#include <strata/util/atomic_file.hpp>
#include <strata/util/version.hpp>

namespace strata {

// What a report tells; what is empty is left out.
struct Report {
  using Facts = std::vector<std::pair<std::string, std::string>>;  // name, value

  std::string title = "Training report";
  std::vector<EpochRecord> history{};
  std::optional<double> loss{}, accuracy{};  // of the evaluation at the end
  ConfusionTable confusion{};                // of the same
  std::vector<std::string> class_names{};    // classes without one are numbered
  std::vector<Mistake> mistakes{};
  std::vector<Image> mistake_images{};  // one a mistake, or none
  std::vector<Image> filters{};
  std::string summary{};  // of the network
  Facts settings{};       // the same in every run that gives the same figures
  Facts run{};            // what may differ between such runs: the command, times
};

namespace detail {

inline constexpr std::string_view report_style = R"(
:root{color-scheme:light dark;--back:#fff;--fore:#1c2430;--soft:#5d6878;--line:#d9dee6;--card:#f5f7fa;--c0:#1f6fd6;--c1:#d2691e;
--good:31,111,214;--bad:214,69,31}
@media(prefers-color-scheme:dark){:root{--back:#14181f;--fore:#e4e8ee;--soft:#98a3b3;--line:#333b48;--card:#1c222c;--c0:#6aa9ff;
--c1:#f0a060;--good:74,144,255;--bad:255,110,70}}
body{margin:0 auto;padding:1rem 1.5rem 3rem;max-width:72rem;background:var(--back);color:var(--fore);
font:15px/1.5 system-ui,sans-serif}
h1{margin:.5rem 0 1rem;font-size:1.7rem}h2{margin:2.2rem 0 .8rem;padding-bottom:.2rem;font-size:1.2rem;
border-bottom:1px solid var(--line)}
p{color:var(--soft)}figure{margin:0}b,th{font-weight:600}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.87rem}
td,th{padding:.15rem .55rem;text-align:right;white-space:nowrap}tbody th,th.name{text-align:left}
thead th{color:var(--soft);border-bottom:1px solid var(--line)}
pre,.wide{overflow-x:auto}pre{padding:.8rem;background:var(--card);border-radius:6px;font-size:.8rem;line-height:1.4}
.flow{display:flex;flex-wrap:wrap;gap:1rem 1.5rem;align-items:flex-start}
.figures div{padding:.5rem 1rem;background:var(--card);border-radius:6px}
.figures data,.figures span{display:block;font-size:1.35rem;font-weight:600}
.chart{flex:1 1 21rem;max-width:34rem}.chart svg{display:block;width:100%}
.grid path{stroke:var(--line)}text{fill:var(--soft);font-size:15px}.c0{--c:var(--c0)}.c1{--c:var(--c1)}
g.c0 path,g.c1 path{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}g.c1 path{stroke-dasharray:6 3}
circle{fill:var(--c)}.key{display:inline-block;width:1.3em;margin:0 .1em 0 .8em;border-top:2px solid var(--c);vertical-align:middle}
.key.c1{border-top-style:dashed}
.matrix td{min-width:2.1rem;padding:.15rem .3rem;text-align:center;border:1px solid var(--back);background:rgba(var(--bad),var(--s,0))}
.matrix td.hit{background:rgba(var(--good),var(--s,0))}.matrix .zero{color:var(--soft);opacity:.5}
.matrix thead th{vertical-align:bottom;border:0}.matrix thead th span{display:inline-block;writing-mode:vertical-rl;
transform:rotate(180deg)}
.map{display:block;width:100%;max-width:70rem}.map text{font-size:7.5px}.map .frame{fill:var(--card)}
.map .hit{fill:rgb(var(--good))}.map .miss{fill:rgb(var(--bad))}
.bar{min-width:4.6rem;background:linear-gradient(to right,rgba(var(--good),.3) calc(100%*var(--v)),transparent 0)}
#classes .flow{gap:1rem .8rem}#classes td,#classes th{padding:.15rem .35rem}
img{display:block;image-rendering:pixelated}.mistakes figure{width:8.2rem;font-size:.8rem;line-height:1.35}
.mistakes img{margin-bottom:.3rem;border-radius:3px}.filters{gap:6px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;margin:0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
details{margin-top:1rem}summary{cursor:pointer;color:var(--soft)}
)";

// Writes the sections of a report that there is something for.
class ReportPage {
 public:
  explicit ReportPage(const Report& report) : report_(report) {}

  std::string text() {
    out_ =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>" +
        escaped(report_.title) + "</title>\n<style>" + std::string(report_style) + "</style>\n</head>\n<body>\n<h1>" +
        escaped(report_.title) + "</h1>\n";
    figures();
    curves();
    if (const int classes = report_.confusion.classes(); classes > 0 && report_.confusion.samples() > 0) {
      begin("confusion", "Confusion matrix");
      classes <= most_in_a_table ? confusion_table() : confusion_map();
      most_confused();
      end();
      per_class();
    }
    mistakes();
    filters();
    if (!report_.summary.empty()) {
      begin("network", "Network");
      out_ += "<pre>" + escaped(report_.summary) + "</pre>\n";
      end();
    }
    if (!report_.settings.empty()) {
      begin("settings", "Settings");
      facts(report_.settings);
      end();
    }
    run();
    return std::move(out_ += "</body>\n</html>\n");
  }

 private:
  static constexpr int most_in_a_table = 20;

  void begin(const char* id, const char* title) {
    out_ += std::string("<section id=\"") + id + "\">\n<h2>" + title + "</h2>\n";
  }
  void end() { out_ += "</section>\n"; }
  [[nodiscard]] std::string name(int c) const {
    const auto i = static_cast<std::size_t>(c);
    return escaped(i < report_.class_names.size() ? report_.class_names[i] : std::to_string(c));
  }
  static std::string count(std::int64_t n) { return std::to_string(n); }
  void facts(const Report::Facts& all) {
    out_ += "<dl>\n";
    for (const auto& [key, value] : all) out_ += "<dt>" + escaped(key) + "</dt><dd>" + escaped(value) + "</dd>\n";
    out_ += "</dl>\n";
  }

  void figures() {
    std::string cards;
    const auto card = [&](const char* what, const std::string& figure) {
      cards += std::string("<div>") + what + figure + "</div>\n";
    };
    const auto number = [](double x) { return data_element(x, fixed(x, 4)); };
    if (report_.accuracy) card("test accuracy", number(*report_.accuracy));
    if (report_.loss) card("test loss", number(*report_.loss));
    if (report_.confusion.samples() > 0) card("test images", "<span>" + count(report_.confusion.samples()) + "</span>");
    if (!report_.history.empty()) {
      card("epochs", "<span>" + count(report_.history.back().epoch) + "</span>");
      card("updates", "<span>" + count(report_.history.back().step) + "</span>");
    }
    if (!cards.empty()) out_ += "<div class=\"flow figures\">\n" + cards + "</div>\n";
  }

  void curves() {
    if (report_.history.empty()) return;
    begin("curves", "Training");
    out_ += "<div class=\"flow\">\n";
    const auto curve = [&](const char* label, auto figure) {
      Curve c{label, {}};
      for (const EpochRecord& r : report_.history)
        c.points.emplace_back(r.epoch, std::optional<double>(figure(r)).value_or(std::numeric_limits<double>::quiet_NaN()));
      return c;
    };
    const auto chart = [&](const char* title, std::vector<Curve> all) {
      std::erase_if(all, [](const Curve& c) {
        return std::none_of(c.points.begin(), c.points.end(), [](const auto& p) { return can_be_drawn(p.second); });
      });
      if (!all.empty()) out_ += line_chart(title, "epoch", all);
    };
    chart("Loss", {curve("training", [](const EpochRecord& r) { return r.loss; }),
                   curve("validation", [](const EpochRecord& r) { return r.validation_loss; })});
    chart("Accuracy", {curve("training", [](const EpochRecord& r) { return r.accuracy; }),
                       curve("validation", [](const EpochRecord& r) { return r.validation_accuracy; })});
    chart("Learning rate", {curve("learning rate", [](const EpochRecord& r) { return r.learning_rate; })});
    out_ +=
        "</div>\n<details><summary>The figures</summary>\n<div class=\"wide\"><table "
        "id=\"epochs\">\n<thead><tr><th>epoch</th>"
        "<th>updates</th><th>learning rate</th><th>loss</th><th>accuracy</th><th>validation loss</th>"
        "<th>validation accuracy</th></tr></thead>\n<tbody>\n";
    const auto cell = [](std::optional<double> x) {
      return "<td>" + (x ? data_element(*x, rounded(*x, 5)) : std::string()) + "</td>";
    };
    for (const EpochRecord& r : report_.history)
      out_ += "<tr><th>" + count(r.epoch) + "</th><td>" + count(r.step) + "</td>" + cell(r.learning_rate) + cell(r.loss) +
              cell(r.accuracy) + cell(r.validation_loss) + cell(r.validation_accuracy) + "</tr>\n";
    out_ += "</tbody></table></div></details>\n";
    end();
  }

  // Of the samples of class t, the share that was taken for p; -1: for none.
  [[nodiscard]] double share(int t, int p) const {
    std::int64_t all = 0;
    for (int c = -1; c < report_.confusion.classes(); ++c) all += report_.confusion.at(t, c);
    return all == 0 ? 0 : static_cast<double>(report_.confusion.at(t, p)) / static_cast<double>(all);
  }
  [[nodiscard]] bool has_none() const {
    for (int t = 0; t < report_.confusion.classes(); ++t)
      if (report_.confusion.at(t, -1) > 0) return true;
    return false;
  }

  void confusion_table() {
    const ConfusionTable& table = report_.confusion;
    std::vector<int> columns;
    for (int p = 0; p < table.classes(); ++p) columns.push_back(p);
    if (has_none()) columns.push_back(-1);
    out_ +=
        "<p>A row a true class, a column a prediction.</p>\n<div class=\"wide\"><table "
        "class=\"matrix\">\n<thead><tr><th></th>";
    for (const int p : columns) out_ += "<th><span>" + (p < 0 ? "none" : name(p)) + "</span></th>";
    out_ += "</tr></thead>\n<tbody>\n";
    for (int t = 0; t < table.classes(); ++t) {
      out_ += "<tr><th>" + name(t) + "</th>";
      for (const int p : columns) {
        // The square root shows what is rare.
        const std::string shade = rounded(0.75 * std::sqrt(share(t, p)), 3);
        const char* kind = p == t ? "hit" : table.at(t, p) == 0 ? "zero" : "miss";
        out_ += std::string("<td class=\"") + kind + "\" style=\"--s:" + shade + "\">" + count(table.at(t, p)) + "</td>";
      }
      out_ += "</tr>\n";
    }
    out_ += "</tbody></table></div>\n";
  }

  // Too many classes for numbers: a map, whose cells tell theirs when they are pointed at.
  void confusion_map() {
    const ConfusionTable& table = report_.confusion;
    const int n = table.classes();
    const double cell = std::max(1.0, 900.0 / n);
    const bool named = cell >= 7;
    std::size_t longest = 0;  // 4.6: about the width of a letter
    for (int c = 0; named && c < n; ++c) longest = std::max(longest, name(c).size());
    const double left = 8 + 4.6 * static_cast<double>(longest), top = left;
    out_ +=
        "<p>A row a true class, a column a prediction; the stronger its colour, the larger its share of the row. A cell "
        "that is pointed "
        "at "
        "tells its number.</p>\n<div class=\"wide\"><svg class=\"map\" role=\"img\" aria-label=\"Confusion matrix\" "
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
        if (table.at(t, p) == 0) continue;
        out_ += std::string("<rect class=\"") + (p == t ? "hit" : "miss") + "\" x=\"" + fixed(left + p * cell, 1) +
                "\" y=\"" + fixed(top + t * cell, 1) + "\" width=\"" + side + "\" height=\"" + side + "\" opacity=\"" +
                rounded(std::sqrt(share(t, p)), 2) + "\"><title>" + name(t) + " taken for " + name(p) + ": " +
                count(table.at(t, p)) + "</title></rect>\n";
      }
    out_ += "</svg></div>\n";
  }

  void most_confused() {
    constexpr std::size_t most = 12;
    const ConfusionTable& table = report_.confusion;
    std::vector<std::tuple<std::int64_t, int, int>> pairs;
    for (int t = 0; t < table.classes(); ++t)
      for (int p = 0; p < table.classes(); ++p)
        if (t != p && table.at(t, p) > 0) pairs.emplace_back(-table.at(t, p), t, p);
    std::sort(pairs.begin(), pairs.end());
    if (pairs.size() > most) pairs.resize(most);
    if (pairs.empty()) return;
    out_ += "<p>Taken most often for another:";
    for (const auto& [n, t, p] : pairs)
      out_ += (&n == &std::get<0>(pairs.front()) ? " " : ", ") + name(t) + " for " + name(p) + " (" + count(-n) + ")";
    out_ += ".</p>\n";
  }

  void per_class() {
    constexpr int rows = 34;  // of one table; further ones stand beside it
    const ConfusionTable& table = report_.confusion;
    begin("classes", "Precision and recall");
    out_ +=
        "<p>Precision: of what was taken for the class, the share that is. Recall: of what is the class, the share "
        "found.</p>\n"
        "<div class=\"flow\">\n";
    const auto cell = [](double x) {
      return "<td class=\"bar\" style=\"--v:" + rounded(x, 4) + "\">" + data_element(x, fixed(x, 3)) + "</td>";
    };
    for (int first = 0; first < table.classes(); first += rows) {
      out_ +=
          "<table>\n<thead><tr><th "
          "class=\"name\">class</th><th>images</th><th>precision</th><th>recall</th></tr></thead>\n<tbody>\n";
      for (int c = first; c < std::min(first + rows, table.classes()); ++c) {
        std::int64_t images = 0;
        for (int p = -1; p < table.classes(); ++p) images += table.at(c, p);
        out_ += "<tr><th>" + name(c) + "</th><td>" + count(images) + "</td>" + cell(table.precision(c)) +
                cell(table.recall(c)) + "</tr>\n";
      }
      out_ += "</tbody></table>\n";
    }
    out_ += "</div>\n";
    end();
  }

  void mistakes() {
    if (report_.mistakes.empty()) return;
    if (!report_.mistake_images.empty() && report_.mistake_images.size() != report_.mistakes.size())
      throw std::invalid_argument("strata: " + std::to_string(report_.mistake_images.size()) + " pictures of " +
                                  std::to_string(report_.mistakes.size()) + " mistakes; expected one of each, or none");
    begin("mistakes", "Most confident mistakes");
    out_ +=
        "<p>What the image was taken for, and what it is, with the probabilities of both.</p>\n<div class=\"flow "
        "mistakes\">\n";
    for (std::size_t i = 0; i < report_.mistakes.size(); ++i) {
      const Mistake& m = report_.mistakes[i];
      const std::string sample = "image " + std::to_string(m.sample);
      out_ += "<figure>";
      if (!report_.mistake_images.empty()) {
        const Image& p = report_.mistake_images[i];
        out_ += image_element(p, std::max(1, 96 / std::max({p.height, p.width, 1})), sample);
      }
      const auto line = [&](const char* what, int c, double probability) {
        return std::string(what) + "<b>" + name(c) + "</b> " + data_element(probability, fixed(probability, 3));
      };
      out_ += "<figcaption>" + line("", m.predicted, m.probability) + "<br/>" + line("is ", m.label, m.label_probability) +
              "<br/>" + sample + "</figcaption></figure>\n";
    }
    out_ += "</div>\n";
    end();
  }

  void filters() {
    if (report_.filters.empty()) return;
    begin("filters", "Filters of the first layer");
    out_ += "<p>Each from its lowest weight, black, to its highest, white.</p>\n<div class=\"flow filters\">\n";
    for (std::size_t i = 0; i < report_.filters.size(); ++i) {
      const Image& p = report_.filters[i];
      out_ += image_element(p, std::max(1, 45 / std::max({p.height, p.width, 1})), "filter " + std::to_string(i)) + "\n";
    }
    out_ += "</div>\n";
    end();
  }

  void run() {
    if (report_.run.empty() && report_.history.empty()) return;
    begin("run", "This run");
    facts(report_.run);
    if (!report_.history.empty()) {
      out_ +=
          "<details><summary>Times</summary>\n<table id=\"times\">\n<thead><tr><th>epoch</th><th>seconds of training</th>"
          "<th>images/s</th></tr></thead>\n<tbody>\n";
      for (const EpochRecord& r : report_.history)
        out_ += "<tr><th>" + count(r.epoch) + "</th><td>" + data_element(r.seconds, fixed(r.seconds, 1)) + "</td><td>" +
                (r.seconds > 0 ? fixed(static_cast<double>(r.samples) / r.seconds, 0) : "") + "</td></tr>\n";
      out_ += "</tbody></table></details>\n";
    }
    end();
  }

  const Report& report_;
  std::string out_;
};

}  // namespace detail

// The page. Equal runs give the same text but for the section "This run".
// Throws std::invalid_argument for pictures that are none, or not as many as there are mistakes.
[[nodiscard]] inline std::string report_html(const Report& report) { return detail::ReportPage(report).text(); }

// Throws what report_html() and write_file_atomically() throw; the file is written whole or not at all.
inline void write_report(const std::filesystem::path& path, const Report& report) {
  const std::string text = report_html(report);
  write_file_atomically(path, std::as_bytes(std::span(text)));
}

// A model, the data it was evaluated on, what train() returned and what evaluate() did. Title, further settings and what is
// to be told of the run are for the caller to add.
template <class M, class Data, class Result, class Names>
Report make_report(M& model, const Data& data, std::vector<EpochRecord> history, const Result& result, const Names& names) {
  Report r;
  r.history = std::move(history);
  r.loss = result.loss, r.accuracy = result.accuracy;
  r.confusion = result.confusion;
  for (const auto& name : names) r.class_names.emplace_back(name);
  r.mistakes = result.mistakes;
  for (const Mistake& m : r.mistakes) r.mistake_images.push_back(image_of(data, m.sample));
  r.filters = filter_images(model);
  r.summary = strata::summary<typename M::network>();
  r.settings = {{"seed", std::to_string(model.options().seed)},
                {"batch", std::to_string(model.options().batch)},
                {"strata", std::string(version)},
                {"compiler", compiler_name()},
                {"kernels", model.engine().kernels()},
                {"libraries", model.engine().libraries()}};
  return r;
}

}  // namespace strata
