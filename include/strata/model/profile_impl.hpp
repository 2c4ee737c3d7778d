// SPDX-License-Identifier: BSL-1.0
// The functions of profile.hpp.
#pragma once
#include <chrono>
#include <cstdio>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/model/profile.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE double Profile::Timer::now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

STRATA_DEFINE double Profile::seconds() const {
  double all = 0;
  for (const LayerTime& row : rows) all += row.forward + row.backward;
  return all;
}

STRATA_DEFINE std::string Profile::text() const {
  std::string out;
  char line[160];
  const auto add = [&](const char* layer, const char* name, double forward, double backward, double flop, double all) {
    const double both = forward + backward, per_step = steps > 0 ? 1e3 / static_cast<double>(steps) : 0;
    std::snprintf(line, sizeof line, "%5s  %-28s %9.2f %9.2f ", layer, name, forward * per_step, backward * per_step);
    out += line;
    if (flop > 0 && both > 0)
      std::snprintf(line, sizeof line, "%9.1f", flop / both * 1e-9);
    else
      std::snprintf(line, sizeof line, "%9s", "");
    out += line;
    std::snprintf(line, sizeof line, " %6.1f%%\n", all > 0 ? 100 * both / all : 0);
    out += line;
  };
  std::snprintf(line, sizeof line, "%5s  %-28s %9s %9s %9s %7s\n", "layer", "", "fwd ms", "bwd ms", "GFLOP/s", "share");
  out += line;
  const double all = seconds();
  double forward = 0, backward = 0, flops = 0;
  for (const LayerTime& row : rows) {
    // Forward, the gradient of the weights and, if needed, the gradient of the input.
    const double flop = 2.0 * static_cast<double>(row.macs) * (row.learns_before ? 3 : 2) * static_cast<double>(samples);
    add(row.first < 0 ? "" : std::to_string(row.first).c_str(), row.name.c_str(), row.forward, row.backward, flop, all);
    forward += row.forward, backward += row.backward, flops += flop;
  }
  add("", "step", forward, backward, flops, all);
  return out;
}

}  // namespace strata::inline STRATA_ABI
