// SPDX-License-Identifier: BSL-1.0
// The outputs of a run besides its weights: metrics, TensorBoard's events, the report.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <strata/report/report.hpp>

#include "arguments.hpp"

// Throws std::runtime_error if an output cannot be written.
void check_outputs(const Arguments& a);

class Outputs {
 public:
  explicit Outputs(const Arguments& a);
  ~Outputs();

  // All epochs so far.
  void write(std::span<const strata::EpochRecord> history);
  // Pictures of the first layer's filters at the end of the run.
  void write_filters(const std::vector<strata::Image>& filters, std::int64_t step);
  // Adds the facts that make_report() does not know.
  void write(strata::Report report, const std::string& dataset, const std::string& optimizer, const std::string& hardware,
             double evaluated_per_second) const;

 private:
  struct Events;
  const Arguments& a_;
  std::unique_ptr<Events> events_;
};
