// SPDX-License-Identifier: BSL-1.0
// What a run leaves beside its weights: metrics, TensorBoard's events, the report.
#pragma once
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/io/metrics_file.hpp>
#include <strata/io/report.hpp>
#if __has_include(<strata/io/tensorboard.pb.h>)
#include <strata/io/tensorboard.hpp>
#endif

#include "arguments.hpp"

// Throws std::runtime_error where a file of this name cannot be written; nothing for no name.
inline void check_can_be_written(const std::string& file) {
  namespace fs = std::filesystem;
  if (file.empty()) return;
  const fs::path folder = fs::absolute(file).parent_path();
  if (!fs::is_directory(folder)) throw std::runtime_error(file + ": there is no folder " + folder.string());
  if (fs::is_directory(file)) throw std::runtime_error(file + ": this is a folder; expected the name of a file");
  if (access(folder.c_str(), W_OK) != 0) throw std::runtime_error(file + ": its folder cannot be written to");
}

inline void check_outputs(const Arguments& a) {
  for (const std::string& file : {a.save, a.report, a.metrics}) check_can_be_written(file);
  if (!a.metrics.empty()) strata::check_metrics_name(a.metrics);
#if !__has_include(<strata/io/tensorboard.pb.h>)
  if (!a.tensorboard.empty())
    throw std::runtime_error("--tensorboard: this program was built without protobuf (libprotobuf-dev, protobuf-compiler)");
#endif
}

inline std::string number_text(const char* format, double x) {
  char text[64];
  std::snprintf(text, sizeof text, format, x);
  return text;
}

class Outputs {
 public:
  explicit Outputs(const Arguments& a) : a_(a) {
#if __has_include(<strata/io/tensorboard.pb.h>)
    if (!a.tensorboard.empty()) events_.emplace(a.tensorboard);
#endif
  }

  // All epochs so far.
  void write(std::span<const strata::EpochRecord> history) {
    if (!a_.metrics.empty()) strata::write_metrics(a_.metrics, history);
#if __has_include(<strata/io/tensorboard.pb.h>)
    if (events_) events_->write(history);
#endif
  }

  // Pictures of the first layer's filters, after the run's last update.
  void write_filters(const std::vector<strata::Picture>& filters, std::int64_t step) {
#if __has_include(<strata/io/tensorboard.pb.h>)
    if (events_ && !filters.empty()) events_->writer().image("filters", strata::tiled(filters, 16), step);
#else
    (void)filters, (void)step;
#endif
  }

  // What make_report() cannot know.
  void write(strata::Report report, const std::string& dataset, const std::string& optimizer, int threads,
             double evaluated_per_second) const {
    report.title = "AlexNet on " + dataset;
    const auto setting = [&](const char* name, const std::string& value) { report.settings.emplace_back(name, value); };
    setting("data set",
            dataset + (a_.images > 0 ? ", the first " + std::to_string(a_.images) + " images of each part" : ""));
    setting("optimizer", optimizer);
    setting("loss", "SoftmaxCrossEntropy");
    setting("dropout", number_text("%g", a_.dropout));
    setting("augmentation", !a_.augment       ? "none"
                            : a_.pad_crop > 0 ? "pad by " + std::to_string(a_.pad_crop) + " and crop, horizontal flip"
                                              : "shift by up to a tenth, horizontal flip");
    report.run = {{"command", a_.command}, {"threads", std::to_string(threads)}};
    double seconds = 0;
    for (const strata::EpochRecord& r : report.history) seconds += r.seconds;
    const auto rate = [](double x) { return number_text("%.0f images/s", x); };
    if (!report.history.empty()) {
      const strata::EpochRecord& last = report.history.back();
      report.run.emplace_back(
          "training",
          number_text("%.1f s, ", seconds) + rate(static_cast<double>(last.samples) / last.seconds) + " in the last epoch");
    }
    report.run.emplace_back("evaluation", rate(evaluated_per_second));
    strata::write_report(a_.report, report);
    std::printf("report written to %s\n", a_.report.c_str());
  }

 private:
  const Arguments& a_;
#if __has_include(<strata/io/tensorboard.pb.h>)
  std::optional<strata::TensorBoardRun> events_;
#endif
};
