// SPDX-License-Identifier: BSL-1.0
// The functions of page.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/report/confusion.hpp>
#include <strata/report/html.hpp>
#include <strata/report/page.hpp>
#include <strata/report/style.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

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
    if (report_.confusion.samples() > 0) out_ += ConfusionSections(report_.confusion, report_.class_names).text();
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
  void begin(const char* id, const char* title) {
    out_ += std::string("<section id=\"") + id + "\">\n<h2>" + title + "</h2>\n";
  }
  void end() { out_ += "</section>\n"; }
  [[nodiscard]] std::string name(int c) const { return class_name(report_.class_names, c); }
  static std::string count(std::int64_t n) { return std::to_string(n); }
  void facts(const Report::Facts& all) {
    out_ += "<dl>\n";
    for (const auto& [key, value] : all) out_ += "<dt>" + escaped(key) + "</dt><dd>" + escaped(value) + "</dd>\n";
    out_ += "</dl>\n";
  }

  void figures() {
    std::string cards;
    const auto card = [&](const std::string& what, const std::string& figure) {
      cards += "<div>" + what + figure + "</div>\n";
    };
    const auto number = [](double x) { return data_element(x, fixed(x, 4)); };
    if (report_.accuracy) card("test accuracy", number(*report_.accuracy));
    if (report_.loss) card("test loss", number(*report_.loss));
    for (const MetricValue& m : report_.metrics) card(escaped("test " + m.name), number(m.value));
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
    const std::vector<std::string> metrics = metric_names(report_.history);
    const auto value_of = [](const EpochRecord& r, const std::string& metric) -> std::optional<double> {
      for (const MetricValue& m : r.validation_metrics)
        if (m.name == metric) return m.value;
      return {};
    };
    constexpr std::size_t most_charts = 6;  // of metrics; the table has all of them
    for (std::size_t i = 0; i < std::min(metrics.size(), most_charts); ++i)
      chart(("Validation " + metrics[i]).c_str(),
            {curve("validation", [&](const EpochRecord& r) { return value_of(r, metrics[i]); })});
    std::string names;
    for (const std::string& metric : metrics) names += "<th>" + escaped("validation " + metric) + "</th>";
    out_ +=
        "</div>\n<details><summary>The figures</summary>\n<div class=\"wide\"><table "
        "id=\"epochs\">\n<thead><tr><th>epoch</th>"
        "<th>updates</th><th>learning rate</th><th>loss</th><th>accuracy</th><th>validation loss</th>"
        "<th>validation accuracy</th>" +
        names + "</tr></thead>\n<tbody>\n";
    const auto cell = [](std::optional<double> x) {
      return "<td>" + (x && !std::isnan(*x) ? data_element(*x, rounded(*x, 5)) : std::string()) + "</td>";
    };
    for (const EpochRecord& r : report_.history) {
      out_ += "<tr><th>" + count(r.epoch) + "</th><td>" + count(r.step) + "</td>" + cell(r.learning_rate) + cell(r.loss) +
              cell(r.accuracy) + cell(r.validation_loss) + cell(r.validation_accuracy);
      for (const std::string& metric : metrics) out_ += cell(value_of(r, metric));
      out_ += "</tr>\n";
    }
    out_ += "</tbody></table></div></details>\n";
    end();
  }

  void mistakes() {
    if (report_.mistakes.empty()) return;
    if (!report_.mistake_images.empty() && report_.mistake_images.size() != report_.mistakes.size())
      throw std::invalid_argument("strata: " + std::to_string(report_.mistake_images.size()) + " images for " +
                                  std::to_string(report_.mistakes.size()) + " mistakes; expected one for each, or none");
    begin("mistakes", "Most confident mistakes");
    out_ +=
        "<p>The prediction and the true class, with their probabilities.</p>\n<div class=\"flow "
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
    out_ += "<p>The lowest weight of each is black, the highest white.</p>\n<div class=\"flow filters\">\n";
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

STRATA_DEFINE std::string page_text(const Report& report) { return ReportPage(report).text(); }

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
