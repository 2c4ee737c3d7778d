// SPDX-License-Identifier: BSL-1.0
// The epochs of a run as a table for other programs: CSV, or JSON lines.
//   train(model, data, loss, optimizer, {.on_epoch = [](auto history) { write_metrics("metrics.csv", history); }});
#pragma once
#include <filesystem>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>

#include <strata/training/metrics.hpp>
#include <strata/util/atomic_file.hpp>
#include <strata/util/numbers.hpp>

namespace strata {
namespace detail {

// Calls f(name, text) for every figure of an epoch; the text is empty where there is none. Numbers are the shortest that
// read back as the same double.
template <class F>
void each_figure(const EpochRecord& r, F&& f) {
  const auto real = [](std::optional<double> x) { return x ? number_text(*x) : std::string(); };
  f("epoch", std::to_string(r.epoch));
  f("step", std::to_string(r.step));
  f("learning_rate", real(r.learning_rate));
  f("loss", real(r.loss));
  f("accuracy", real(r.accuracy));
  f("val_loss", real(r.validation_loss));
  f("val_accuracy", real(r.validation_accuracy));
  f("seconds", real(r.seconds));
  f("images_per_second", r.seconds > 0 ? real(static_cast<double>(r.samples) / r.seconds) : std::string());
}

}  // namespace detail

// A line of names, then a line an epoch; empty fields where there was no validation. step: updates of the whole run;
// learning_rate: of the last of them; seconds: of the training steps.
[[nodiscard]] inline std::string metrics_csv(std::span<const EpochRecord> history) {
  std::string text;
  const auto add = [&text](const std::string& field) { text += field + ","; };
  const auto end_line = [&text] { text.back() = '\n'; };
  detail::each_figure({}, [&](const char* name, const std::string&) { add(name); });
  end_line();
  for (const EpochRecord& r : history) {
    detail::each_figure(r, [&](const char*, const std::string& figure) { add(figure); });
    end_line();
  }
  return text;
}

// An object an epoch, with the same names; null where there was no validation, and for what JSON has no numbers for: NaN
// and infinities.
[[nodiscard]] inline std::string metrics_jsonl(std::span<const EpochRecord> history) {
  std::string out;
  for (const EpochRecord& r : history) {
    std::string row;
    detail::each_figure(r, [&](const char* name, const std::string& text) {
      const bool number = !text.empty() && text.find_first_not_of("0123456789+-.e") == std::string::npos;
      row += (row.empty() ? "{\"" : ", \"") + std::string(name) + "\": " + (number ? text : "null");
    });
    out += row + "}\n";
  }
  return out;
}

// Throws std::invalid_argument for a name that ends in neither .csv nor .jsonl.
inline void check_metrics_name(const std::filesystem::path& path) {
  if (path.extension() != ".csv" && path.extension() != ".jsonl")
    throw std::invalid_argument(path.string() + ": metrics are written as .csv or .jsonl; expected a name that ends so");
}

// All epochs, as CSV or as JSON lines by the name's end. The file is written whole or not at all: call it after each epoch
// with the history so far, and no row is lost or there twice, however often the run is stopped. Throws what
// check_metrics_name() and write_file_atomically() throw.
inline void write_metrics(const std::filesystem::path& path, std::span<const EpochRecord> history) {
  check_metrics_name(path);
  const std::string text = path.extension() == ".csv" ? metrics_csv(history) : metrics_jsonl(history);
  write_file_atomically(path, std::as_bytes(std::span(text)));
}

}  // namespace strata
