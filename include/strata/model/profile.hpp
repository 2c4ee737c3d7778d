// SPDX-License-Identifier: BSL-1.0
// How long each layer takes in real training steps. Layers that the backend does together share a row.
#pragma once
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace strata {

// Sums over the watched steps, in seconds of wall-clock time.
struct LayerTime {
  std::string name;                  // "Conv + ReLU + MaxPool"
  int first = 0;                     // layer number, Input is 0; -1: no layer
  std::int64_t macs = 0;             // nominal multiply-adds of one sample, forward (see Sequential::macs)
  bool learns_before = true;         // a layer before it has parameters, so backward computes the gradient of its input
  double forward = 0, backward = 0;  // a row without layers has its time once per step in `backward`
};

// Model::watch fills it; Trainer adds rows for the loss and the update.
class Profile {
 public:
  std::vector<LayerTime> rows;
  std::int64_t steps = 0, samples = 0;

  using clock = std::chrono::steady_clock;
  // Adds the time from its construction to its destruction to a sum, which must live until then. If the sum is null, it
  // does nothing and does not read the clock.
  class Timer {
   public:
    explicit Timer(double* sum) : sum_(sum), begin_(sum ? clock::now() : clock::time_point{}) {}
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() {
      if (sum_) *sum_ += std::chrono::duration<double>(clock::now() - begin_).count();
    }

   private:
    double* sum_;
    clock::time_point begin_;
  };

  [[nodiscard]] double seconds() const {
    double all = 0;
    for (const LayerTime& row : rows) all += row.forward + row.backward;
    return all;
  }

  // One line for each row: milliseconds per step, nominal GFLOP/s (a multiply-add is two; work that a kernel saves, such as
  // taps on padding, counts too), the fraction of the total.
  [[nodiscard]] std::string text() const {
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
};

}  // namespace strata
