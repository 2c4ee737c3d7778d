// SPDX-License-Identifier: BSL-1.0
// What a report cannot know of the run that it is about.
#pragma once
#include <cstdio>
#include <string>
#include <utility>

#include <strata/io/report.hpp>

// What computes: "2 threads, kernels: avx2"; "NVIDIA H200, TF32".
template <class M>
std::string hardware(M& model) {
  const std::string kernels = model.engine().kernels();
  return M::backend::on_host ? std::to_string(model.engine().threads()) + " threads, kernels: " + kernels : kernels;
}

inline void add_run_facts(strata::Report& report, const std::string& command, const std::string& hardware,
                          double evaluated_per_second) {
  const auto text = [](const char* format, double x) {
    char buffer[64];
    std::snprintf(buffer, sizeof buffer, format, x);
    return std::string(buffer);
  };
  const auto rate = [&](double x) { return text("%.0f images/s", x); };
  report.run = {{"command", command}, {"hardware", hardware}};
  double seconds = 0;
  for (const strata::EpochRecord& r : report.history) seconds += r.seconds;
  if (!report.history.empty()) {
    const strata::EpochRecord& last = report.history.back();
    report.run.emplace_back("training", text("%.1f s, ", seconds) + rate(static_cast<double>(last.samples) / last.seconds) +
                                            " in the last epoch");
  }
  report.run.emplace_back("evaluation", rate(evaluated_per_second));
}
