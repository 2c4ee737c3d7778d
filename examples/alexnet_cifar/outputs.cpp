// SPDX-License-Identifier: BSL-1.0
#include "outputs.hpp"

#include <cstdio>
#include <stdexcept>
#include <utility>

#include <strata/io/metrics_file.hpp>
#if __has_include(<strata/io/tensorboard.pb.h>)
#include <strata/io/tensorboard.hpp>
#endif

#include "../common/number_text.hpp"
#include "../common/run_facts.hpp"
#include "../common/writable.hpp"

void check_outputs(const Arguments& a) {
  for (const std::string& file : {a.save, a.report, a.metrics}) check_can_be_written(file);
  if (!a.metrics.empty()) strata::check_metrics_name(a.metrics);
#if !__has_include(<strata/io/tensorboard.pb.h>)
  if (!a.tensorboard.empty())
    throw std::runtime_error("--tensorboard: this program was built without protobuf (libprotobuf-dev, protobuf-compiler)");
#endif
}

struct Outputs::Events {
#if __has_include(<strata/io/tensorboard.pb.h>)
  explicit Events(const std::string& folder) : run(folder) {}
  strata::TensorBoardRun run;
#endif
};

Outputs::Outputs(const Arguments& a) : a_(a) {
#if __has_include(<strata/io/tensorboard.pb.h>)
  if (!a.tensorboard.empty()) events_ = std::make_unique<Events>(a.tensorboard);
#endif
}
Outputs::~Outputs() = default;

void Outputs::write(std::span<const strata::EpochRecord> history) {
  if (!a_.metrics.empty()) strata::write_metrics(a_.metrics, history);
#if __has_include(<strata/io/tensorboard.pb.h>)
  if (events_) events_->run.write(history);
#endif
}

void Outputs::write_filters(const std::vector<strata::Image>& filters, std::int64_t step) {
#if __has_include(<strata/io/tensorboard.pb.h>)
  if (events_ && !filters.empty()) events_->run.writer().image("filters", strata::tiled(filters, 16), step);
#else
  (void)filters, (void)step;
#endif
}

void Outputs::write(strata::Report report, const std::string& dataset, const std::string& optimizer,
                    const std::string& hardware, double evaluated_per_second) const {
  report.title = "AlexNet on " + dataset;
  const auto setting = [&](const char* name, const std::string& value) { report.settings.emplace_back(name, value); };
  setting("data set", dataset + (a_.images > 0 ? ", the first " + std::to_string(a_.images) + " images of each part" : ""));
  setting("optimizer", optimizer);
  setting("loss", "SoftmaxCrossEntropy");
  setting("dropout", shortest_text(a_.dropout));
  setting("initializer", a_.load.empty() ? a_.initializer : "loaded weights");
  setting("inputs", a_.standardize ? "each channel with mean 0 and stddev 1" : "pixels in [0, 1]");
  setting("augmentation", !a_.augment       ? "none"
                          : a_.pad_crop > 0 ? "pad by " + std::to_string(a_.pad_crop) + " and crop, horizontal flip"
                                            : "shift by up to a tenth, horizontal flip");
  if (a_.clip_norm > 0) setting("gradients clipped to", shortest_text(a_.clip_norm));
  if (a_.patience > 0) setting("patience", std::to_string(a_.patience) + " epochs");
  add_run_facts(report, a_.command, hardware, evaluated_per_second);
  strata::write_report(a_.report, report);
  std::printf("report written to %s\n", a_.report.c_str());
}
