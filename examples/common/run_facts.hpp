// SPDX-License-Identifier: BSL-1.0
// The facts of a run that make_report() does not know: command, hardware, speed.
#pragma once
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

#include <strata/report/report.hpp>
#include <strata/training/train.hpp>

// An evaluation, and its images per second.
template <class M, class Data, class Loss>
std::pair<strata::Evaluation, double> timed_evaluation(M& model, const Data& data, Loss loss,
                                                       const strata::EvaluateOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  strata::Evaluation e = evaluate(model, data, loss, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return {std::move(e), static_cast<double>(data.size()) / seconds};
}

// For example "2 threads, kernels: avx2" or "NVIDIA H200, TF32".
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
    std::string training = text("%.1f s", seconds);
    if (last.seconds > 0) training += ", " + rate(static_cast<double>(last.samples) / last.seconds) + " in the last epoch";
    report.run.emplace_back("training", training);
  }
  report.run.emplace_back("evaluation", rate(evaluated_per_second));
}
