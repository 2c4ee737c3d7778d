// SPDX-License-Identifier: BSL-1.0
// The functions of metrics_file.hpp.
#pragma once
#include <algorithm>
#include <filesystem>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/io/metrics_file.hpp>
#include <strata/io/safetensors_header.hpp>
#include <strata/util/atomic_file.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

// Calls f(name, text) for every figure of an epoch; the text is empty if the epoch has none. Numbers are the shortest that
// read back as the same double.
template <class F>
void each_figure(const EpochRecord& r, std::span<const std::string> metrics, F&& f) {
  const auto real = [](std::optional<double> x) { return x ? number_text(*x) : std::string(); };
  f("epoch", std::to_string(r.epoch));
  f("step", std::to_string(r.step));
  f("learning_rate", real(r.learning_rate));
  f("loss", real(r.loss));
  f("accuracy", real(r.accuracy));
  f("val_loss", real(r.validation_loss));
  f("val_accuracy", real(r.validation_accuracy));
  for (const std::string& name : metrics) {
    const auto& all = r.validation_metrics;
    const auto found = std::find_if(all.begin(), all.end(), [&](const MetricValue& m) { return m.name == name; });
    f("val_" + name, found == all.end() ? std::string() : number_text(found->value));
  }
  f("seconds", real(r.seconds));
  f("images_per_second", r.seconds > 0 ? real(static_cast<double>(r.samples) / r.seconds) : std::string());
}

STRATA_DEFINE std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

}  // namespace detail

STRATA_DEFINE std::string metrics_csv(std::span<const EpochRecord> history) {
  const std::vector<std::string> metrics = detail::metric_names(history);
  std::string text;
  const auto add = [&text](const std::string& field) { text += field + ","; };
  const auto end_line = [&text] { text.back() = '\n'; };
  detail::each_figure({}, metrics, [&](const std::string& name, const std::string&) { add(detail::csv_field(name)); });
  end_line();
  for (const EpochRecord& r : history) {
    detail::each_figure(r, metrics, [&](const std::string&, const std::string& figure) { add(figure); });
    end_line();
  }
  return text;
}

STRATA_DEFINE std::string metrics_jsonl(std::span<const EpochRecord> history) {
  const std::vector<std::string> metrics = detail::metric_names(history);
  std::string out;
  for (const EpochRecord& r : history) {
    std::string row;
    detail::each_figure(r, metrics, [&](const std::string& name, const std::string& text) {
      const bool number = !text.empty() && text.find_first_not_of("0123456789+-.e") == std::string::npos;
      row += row.empty() ? "{" : ", ";
      detail::append_json_string(row, name);
      row += ": " + (number ? text : "null");
    });
    out += row + "}\n";
  }
  return out;
}

STRATA_DEFINE void check_metrics_name(const std::filesystem::path& path) {
  if (path.extension() != ".csv" && path.extension() != ".jsonl")
    throw std::invalid_argument(path.string() + ": expected a name that ends in .csv or .jsonl");
}

STRATA_DEFINE void write_metrics(const std::filesystem::path& path, std::span<const EpochRecord> history) {
  check_metrics_name(path);
  const std::string text = path.extension() == ".csv" ? metrics_csv(history) : metrics_jsonl(history);
  write_file_atomically(path, std::as_bytes(std::span(text)));
}

}  // namespace strata::inline STRATA_ABI
