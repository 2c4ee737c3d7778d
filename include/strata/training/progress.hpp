// SPDX-License-Identifier: BSL-1.0
// Progress as Keras prints it; redrawn on a terminal, one plain line an epoch elsewhere.
#pragma once
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace strata {

class Progress {
 public:
  // A null file prints nothing.
  Progress(std::FILE* to, std::int64_t steps)
      : to_(to), steps_(steps), terminal_(to && isatty(fileno(to)) != 0), begin_(std::chrono::steady_clock::now()) {}

  void update(std::int64_t step, double loss, double accuracy) {
    step_ = step;
    if (!terminal_) return;
    const double now = seconds();
    if (now - drawn_ < 0.1 && step < steps_) return;
    drawn_ = now;
    line('\r', loss, accuracy);
    std::fflush(to_);
  }
  void finish(double loss, double accuracy) {
    if (!to_) return;
    line(terminal_ ? '\r' : 0, loss, accuracy);
    std::fputc('\n', to_);
    std::fflush(to_);
  }
  void finish(double loss, double accuracy, double validation_loss, double validation_accuracy) {
    if (!to_) return;
    line(terminal_ ? '\r' : 0, loss, accuracy);
    std::fprintf(to_, " - val_loss: %.4f - val_accuracy: %.4f\n", validation_loss, validation_accuracy);
    std::fflush(to_);
  }

 private:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }
  void line(char before, double loss, double accuracy) {
    char bar[31];
    const auto done = static_cast<std::size_t>(steps_ > 0 ? step_ * 30 / steps_ : 30);
    std::memset(bar, '=', done);
    std::memset(bar + done, '.', 30 - done);
    if (done < 30) bar[done] = '>';
    bar[30] = 0;
    if (before) std::fputc(before, to_);
    const double s = seconds();
    std::fprintf(to_, "%lld/%lld [%s] - %.0fs %.0fms/step - loss: %.4f - accuracy: %.4f", static_cast<long long>(step_),
                 static_cast<long long>(steps_), bar, s, step_ > 0 ? 1000 * s / static_cast<double>(step_) : 0, loss,
                 accuracy);
  }

  std::FILE* to_;
  std::int64_t steps_, step_ = 0;
  bool terminal_;
  double drawn_ = -1;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace strata
