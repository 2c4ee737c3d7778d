// SPDX-License-Identifier: BSL-1.0
// The results of runs: a CSV file per run with a line per epoch, and a table of many runs.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <strata/training/metrics.hpp>
#include <strata/util/atomic_file.hpp>
#include <strata/util/numbers.hpp>
#include <strata/util/parse_number.hpp>

#include "../common/number_text.hpp"
#include "experiment.hpp"

namespace notes {

// Identifies a run: a result with an equal key belongs to it.
struct RunKey {
  std::string run;
  std::uint64_t seed = 1;
  std::size_t images = 0, test_images = 0;
  int epochs = 0;
  std::string recipe;
  friend bool operator==(const RunKey&, const RunKey&) = default;
};

struct Result {
  RunKey key;
  Outcome outcome;
};

inline constexpr std::string_view csv_head =
    "run,seed,images,test images,epochs,epoch,loss,accuracy,test loss,test accuracy,seconds,test loss with dropout,"
    "test accuracy with dropout,diverged,recipe\n";

namespace detail {

// Quoted if necessary (RFC 4180).
inline std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

inline std::vector<std::string> csv_fields(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"')
      fields.back() += line[++i];
    else if (c == '"')
      quoted = !quoted;
    else if (c == ',' && !quoted)
      fields.emplace_back();
    else
      fields.back() += c;
  }
  return fields;
}

}  // namespace detail

// With the head. A run that diverged in its first epoch has one line, for epoch 0.
inline std::string to_csv(const Result& r) {
  std::string text(csv_head);
  std::vector<EpochRecord> history = r.outcome.history;
  if (history.empty()) history.emplace_back();
  for (const EpochRecord& e : history) {
    const bool last = &e == &history.back();
    const auto maybe = [](const std::optional<double>& x) { return x ? shortest_text(*x) : std::string(); };
    const auto dropout = [&](double Evaluation::* what) {
      return last && r.outcome.dropout_on ? shortest_text((*r.outcome.dropout_on).*what) : std::string();
    };
    for (const std::string& field :
         {r.key.run, std::to_string(r.key.seed), std::to_string(r.key.images), std::to_string(r.key.test_images),
          std::to_string(r.key.epochs), std::to_string(e.epoch), shortest_text(e.loss), shortest_text(e.accuracy),
          maybe(e.validation_loss), maybe(e.validation_accuracy), shortest_text(e.seconds), dropout(&Evaluation::loss),
          dropout(&Evaluation::accuracy), last ? r.outcome.diverged : std::string()})
      text += detail::csv_field(field) + ',';
    text += detail::csv_field(r.key.recipe) + '\n';
  }
  return text;
}

inline void write_result(const std::filesystem::path& file, const Result& r) {
  const std::string text = to_csv(r);
  write_file_atomically(file, std::as_bytes(std::span(text.data(), text.size())));
}

// Throws FileError with the line number for a file that write_result did not write.
inline Result read_result(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  const auto next = [&] {
    if (!std::getline(in, line)) return false;
    line += '\n';
    return true;
  };
  if (!next() || line != csv_head) throw FileError(file, "line 1 is not the head of a result");
  Result r;
  for (int number = 2; next(); ++number) {
    line.pop_back();
    const auto fields = detail::csv_fields(line);
    const auto wrong = [&](const std::string& what) {
      throw FileError(file, "line " + std::to_string(number) + " has " + what);
    };
    if (fields.size() != 15) wrong(std::to_string(fields.size()) + " fields; expected 15");
    const auto read = [&](std::size_t i, auto& to) {
      const char* end = fields[i].data() + fields[i].size();
      if (const auto [at, error] = strata::detail::parse_number(fields[i].data(), end, to);
          error != std::errc{} || at != end)
        wrong("'" + fields[i] + "' in field " + std::to_string(i + 1) + "; expected a number");
    };
    const auto read_some = [&](std::size_t i, std::optional<double>& to) {
      if (!fields[i].empty()) read(i, to.emplace());
    };
    RunKey key{.run = fields[0], .recipe = fields[14]};
    read(1, key.seed), read(2, key.images), read(3, key.test_images), read(4, key.epochs);
    if (number > 2 && key != r.key) wrong("another run than line 2");
    r.key = key;
    EpochRecord e;
    read(5, e.epoch), read(6, e.loss), read(7, e.accuracy), read(10, e.seconds);
    read_some(8, e.validation_loss), read_some(9, e.validation_accuracy);
    if (!fields[11].empty()) {
      Evaluation& with = r.outcome.dropout_on.emplace();
      read(11, with.loss), read(12, with.accuracy);
    }
    r.outcome.diverged = fields[13];
    if (e.epoch > 0) r.outcome.history.push_back(e);
  }
  r.outcome.complete = !r.outcome.diverged.empty() || static_cast<int>(r.outcome.history.size()) == r.key.epochs;
  if (!r.outcome.complete)
    throw FileError(file, "ends after " + std::to_string(r.outcome.history.size()) + " epochs; expected " +
                              std::to_string(r.key.epochs));
  return r;
}

// --- Tables -----------------------------------------------------------------------------------------------------------

// Over seeds. The spread is the standard deviation of the sample, and 0 for a single value.
struct Mean {
  double mean = 0, spread = 0;
  std::size_t count = 0;
};
inline Mean mean_of(std::span<const double> x) {
  Mean m{.count = x.size()};
  for (const double v : x) m.mean += v / static_cast<double>(x.size());
  for (const double v : x) m.spread += (v - m.mean) * (v - m.mean);
  m.spread = x.size() < 2 ? 0 : std::sqrt(m.spread / static_cast<double>(x.size() - 1));
  return m;
}

// The standard deviation of an accuracy measured on this number of images.
inline double sampling_error(double accuracy, std::size_t images) {
  return std::sqrt(accuracy * (1 - accuracy) / static_cast<double>(images));
}

// One row per experiment that has results. Each figure is the mean over the seeds that did not diverge. Below it stand the
// figures of the notes.
inline std::string table_of(std::span<const Experiment> experiments, std::span<const Result> results) {
  std::string text =
      "row           epochs  seeds     test accuracy          accuracy         test loss              loss\n";
  double error = 0;
  std::size_t images = 0;
  char line[256];
  for (const Experiment& e : experiments) {
    std::vector<double> values[4];
    std::size_t seeds = 0, diverged = 0;
    int epochs = 0;
    for (const Result& r : results) {
      if (r.key.run != e.name) continue;
      ++seeds;
      epochs = r.key.epochs;
      if (!r.outcome.diverged.empty()) {
        ++diverged;
        continue;
      }
      const EpochRecord& last = r.outcome.history.back();
      values[0].push_back(last.validation_accuracy.value_or(std::nan("")));
      values[1].push_back(last.accuracy);
      values[2].push_back(last.validation_loss.value_or(std::nan("")));
      values[3].push_back(last.loss);
      images = r.key.test_images;
      error = std::max(error, sampling_error(values[0].back(), images));
    }
    if (seeds == 0) continue;
    std::snprintf(line, sizeof line, "%-14s%6d%7zu", e.name.c_str(), epochs, seeds);
    text += line;
    for (const auto& v : values) {
      const Mean m = mean_of(v);
      if (m.count == 0)
        std::snprintf(line, sizeof line, "%18s", "-");
      else if (m.count == 1)
        std::snprintf(line, sizeof line, "   %.4f         ", m.mean);
      else
        std::snprintf(line, sizeof line, "   %.4f +- %.4f", m.mean, m.spread);
      text += line;
    }
    text += "  " + e.what + (diverged == 0 ? "" : " (" + std::to_string(diverged) + " diverged)") + "\n";
    if (!e.notes) continue;
    std::snprintf(line, sizeof line, "%27s   %.4f            %.4f            %.4f            %.4f\n", "the notes",
                  e.notes->test_accuracy, e.notes->accuracy, e.notes->test_loss, e.notes->loss);
    text += line;
  }
  if (images > 0) {
    std::snprintf(line, sizeof line, "One test accuracy, of %zu images, has a sampling error of up to %.2f points.\n",
                  images, 100 * error);
    text += line;
  }
  return text;
}

}  // namespace notes
