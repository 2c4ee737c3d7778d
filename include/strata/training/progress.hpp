// SPDX-License-Identifier: BSL-1.0
// Progress as Keras 2 prints it (keras.utils.Progbar). A terminal's line is redrawn; other files get plain lines: one at
// the end of an epoch and, in long epochs, one each half minute.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>

#include <strata/core/linkage.hpp>
#include <strata/training/metric.hpp>

namespace strata::inline STRATA_ABI {

// The content of one line.
struct ProgressLine {
  std::int64_t step = 0, steps = 0;
  double seconds = 0;     // of the steps done
  bool finished = false;  // the time taken, rather than the time to go
  double loss = 0, accuracy = 0;
  bool has_accuracy = true;  // not if targets are values
  std::optional<double> validation_loss{}, validation_accuracy{};
  std::span<const MetricValue> validation_metrics{};

  // Writes the line and a final 0 into `out`, cut if it does not fit; returns its length.
  std::size_t format(std::span<char> out) const;
};

// One epoch's line. Unlike in Keras, its time is that of the training steps alone, so that ms/step can be compared between
// runs with and without validation.
class Progress {
 public:
  // to: null prints nothing; the file must outlive this. steps: of this epoch. terminal: whether to redraw; by default
  // whether the file is a terminal.
  Progress(std::FILE* to, std::int64_t steps, std::optional<bool> terminal = {});

  // Continues where another process ended: this number of steps took these seconds.
  void resume(std::int64_t step, double seconds);

  // After a step: the number of steps done, and the means so far. Draws at most ten times a second on a terminal, else
  // twice a minute.
  void update(std::int64_t step, double loss, double accuracy);

  // Called once, after the last step or the validation.
  void finish(double loss, double accuracy, std::optional<double> validation_loss = {},
              std::optional<double> validation_accuracy = {}, std::span<const MetricValue> validation_metrics = {});

 private:
  using clock = std::chrono::steady_clock;

  void draw(const ProgressLine& line);

  std::FILE* to_;
  std::int64_t steps_, step_ = 0;
  bool terminal_;
  double seconds_ = 0, drawn_ = -1;
  std::size_t width_ = 0;
  clock::time_point begin_;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/training/progress_impl.hpp>
#endif
