// SPDX-License-Identifier: BSL-1.0
// The functions of progress.hpp.
#pragma once
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/training/progress.hpp>
#include <strata/util/system.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

// Text in memory of a fixed size.
struct ProgressText {
  std::span<char> out;
  std::size_t used = 0;
#if defined(__GNUC__)
  __attribute__((format(printf, 2, 3)))
#endif
  void
  add(const char* form, ...) {
    std::va_list arguments;
    va_start(arguments, form);
    const int n = std::vsnprintf(out.data() + used, out.size() - used, form, arguments);
    va_end(arguments);
    if (n > 0) used = std::min(used + static_cast<std::size_t>(n), out.size() - 1);
  }
  // Keras' rule: four digits after the point, with an exponent for very small and very large numbers.
  void metric(const char* name, double x) {
    const double size = std::abs(x);
    if (std::isnan(x))
      add(" - %s: nan", name);
    else if (size > 1e-3 && size < 1e9)
      add(" - %s: %.4f", name, x);
    else
      add(" - %s: %.4e", name, x);
  }
};

}  // namespace detail

STRATA_DEFINE std::size_t ProgressLine::format(std::span<char> out) const {
  if (out.empty()) return 0;
  detail::ProgressText t{out};
  int digits = 1;
  for (std::int64_t n = steps; n >= 10; n /= 10) ++digits;
  t.add("%*lld/%lld [", digits, static_cast<long long>(step), static_cast<long long>(steps));
  const std::int64_t done = steps > 0 ? std::clamp<std::int64_t>(30 * step / steps, 0, 30) : 30;
  for (std::int64_t i = 0; i < 30; ++i) t.add("%c", i >= done ? '.' : i == done - 1 && step < steps ? '>' : '=');
  t.add("] - ");
  const double each = step > 0 ? seconds / static_cast<double>(step) : 0;
  if (!finished) {
    const double left = std::clamp(each * static_cast<double>(steps - step), 0.0, 1e9);
    const auto s = static_cast<long long>(left);
    if (s > 3600)
      t.add("ETA: %lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else if (s > 60)
      t.add("ETA: %lld:%02lld", s / 60, s % 60);
    else
      t.add("ETA: %llds", s);
  } else {
    t.add("%.0fs ", seconds);
    if (each >= 1 || each == 0)
      t.add("%.0fs/step", each);
    else if (each >= 1e-3)
      t.add("%.0fms/step", each * 1e3);
    else
      t.add("%.0fus/step", each * 1e6);
  }
  t.metric("loss", loss);
  if (has_accuracy) t.metric("accuracy", accuracy);
  if (validation_loss) t.metric("val_loss", *validation_loss);
  if (validation_accuracy) t.metric("val_accuracy", *validation_accuracy);
  for (const MetricValue& m : validation_metrics) t.metric(("val_" + m.name).c_str(), m.value);
  return t.used;
}

STRATA_DEFINE Progress::Progress(std::FILE* to, std::int64_t steps, std::optional<bool> terminal)
    : to_(to), steps_(steps), terminal_(to && terminal.value_or(to && detail::os::is_terminal(to))), begin_(clock::now()) {}

STRATA_DEFINE void Progress::resume(std::int64_t step, double seconds) {
  step_ = step;
  seconds_ = seconds;
  begin_ -= std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds));
}

STRATA_DEFINE void Progress::update(std::int64_t step, double loss, double accuracy) {
  if (!to_) return;
  step_ = step;
  seconds_ = std::chrono::duration<double>(clock::now() - begin_).count();
  if (terminal_ ? drawn_ >= 0 && seconds_ - drawn_ < 0.1 && step < steps_
                : seconds_ - std::max(drawn_, 0.0) < 30 || step >= steps_)
    return;
  drawn_ = seconds_;
  draw({.step = step,
        .steps = steps_,
        .seconds = seconds_,
        .loss = loss,
        .accuracy = accuracy,
        .has_accuracy = !std::isnan(accuracy)});
  if (terminal_) return;
  std::fputc('\n', to_);
  std::fflush(to_);
}

STRATA_DEFINE void Progress::finish(double loss, double accuracy, std::optional<double> validation_loss,
                                    std::optional<double> validation_accuracy,
                                    std::span<const MetricValue> validation_metrics) {
  if (!to_) return;
  draw({.step = step_,
        .steps = steps_,
        .seconds = seconds_,
        .finished = true,
        .loss = loss,
        .accuracy = accuracy,
        .has_accuracy = !std::isnan(accuracy),
        .validation_loss = validation_loss,
        .validation_accuracy = validation_accuracy,
        .validation_metrics = validation_metrics});
  std::fputc('\n', to_);
  std::fflush(to_);
}

STRATA_DEFINE void Progress::draw(const ProgressLine& line) {
  char buffer[512];
  char* const text = buffer + 1;
  std::size_t n = line.format({text, sizeof buffer - 1});
  const std::size_t width = n;
  for (; n < width_ && n < sizeof buffer - 2; ++n) text[n] = ' ';  // over the rest of a longer line
  width_ = terminal_ ? width : 0;
  buffer[0] = '\r';
  std::fwrite(terminal_ ? buffer : text, 1, terminal_ ? n + 1 : n, to_);
  if (terminal_) std::fflush(to_);
}

}  // namespace strata::inline STRATA_ABI
