// SPDX-License-Identifier: BSL-1.0
// The state of a run as text, for the metadata of a checkpoint.
#pragma once
#include <algorithm>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/training/metrics.hpp>
#include <strata/training/run.hpp>
#include <strata/util/file_error.hpp>

namespace strata::inline STRATA_ABI::detail {

// Words separated by spaces. Real numbers are written as their bits.
class StateWriter {
 public:
  StateWriter& word(std::string_view w) {
    if (!text_.empty() && text_.back() != '\n') text_ += ' ';
    text_ += w;
    return *this;
  }
  // Any text as one word: '%' and the bytes up to a space become %xx.
  StateWriter& name(std::string_view text) {
    std::string out;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte > ' ' && c != '%')
        out += c;
      else
        out += {'%', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
    }
    return word(out.empty() ? "%" : out);
  }
  StateWriter& whole(std::int64_t n) { return word(std::to_string(n)); }
  StateWriter& real(double x) { return word(std::to_string(std::bit_cast<std::uint64_t>(x))); }
  StateWriter& real(const std::optional<double>& x) { return x ? real(*x) : word("-"); }
  void line() { text_ += '\n'; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

inline std::string state_text(const TrainingState& s) {
  StateWriter w;
  w.word("epoch").whole(s.epoch).word("step").whole(s.step).word("updates").whole(s.updates).line();
  const RunningMean::Sums loss = s.loss.sums();
  w.word("loss").real(loss.sum).real(loss.lost).whole(loss.samples).line();
  w.word("accuracy").whole(s.accuracy.correct).whole(s.accuracy.samples).line();
  w.word("seconds").real(s.seconds).line();
  for (const EpochRecord& r : s.history) {
    w.word("record").whole(r.epoch).real(r.loss).real(r.accuracy).real(r.validation_loss).real(r.validation_accuracy);
    w.whole(r.samples).real(r.seconds).whole(static_cast<std::int64_t>(r.validation_metrics.size()));
    for (const MetricValue& m : r.validation_metrics) w.name(m.name).real(m.value);
    w.line();
  }
  return w.text();
}

class StateReader {
 public:
  StateReader(const std::filesystem::path& path, std::string_view text) : path_(path), text_(text) {}

  TrainingState read() {
    TrainingState s;
    key("epoch"), s.epoch = static_cast<int>(whole(1, std::numeric_limits<int>::max()));
    key("step"), s.step = whole();
    key("updates"), s.updates = whole();
    RunningMean::Sums loss;
    key("loss"), loss.sum = real(), loss.lost = real(), loss.samples = whole();
    s.loss = RunningMean(loss);
    key("accuracy"), s.accuracy.correct = whole(), s.accuracy.samples = whole();
    key("seconds"), s.seconds = seconds();
    while (!text_.empty()) {
      EpochRecord r;
      key("record"), r.epoch = static_cast<int>(whole(1, std::numeric_limits<int>::max()));
      r.loss = real(), r.accuracy = real();
      r.validation_loss = maybe(), r.validation_accuracy = maybe();
      r.samples = whole(), r.seconds = seconds();
      for (std::int64_t left = whole(0, 1 << 16); left > 0; --left) {
        std::string metric = name();
        r.validation_metrics.push_back({std::move(metric), real()});
      }
      s.history.push_back(r);
      if (std::cmp_not_equal(r.epoch, s.history.size())) fail("the epochs do not follow each other");
    }
    if (std::cmp_not_equal(s.epoch, s.history.size() + 1)) fail("the epochs do not follow each other");
    return s;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const { throw FileError(path_, "the training state is damaged: " + why); }
  std::string_view word() {
    const std::size_t end = text_.find_first_of(" \n");
    if (end == 0 || end == std::string_view::npos) fail("it ends too early");
    const std::string_view w = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return w;
  }
  void key(std::string_view expected) {
    if (const std::string_view w = word(); w != expected)
      fail("\"" + std::string(w) + "\"; expected \"" + std::string(expected) + "\"");
  }
  template <class N>
  N number(std::string_view w) {
    N n{};
    const auto [end, error] = std::from_chars(w.data(), w.data() + w.size(), n);
    if (error != std::errc{} || end != w.data() + w.size()) fail("\"" + std::string(w) + "\" is not a number in range");
    return n;
  }
  std::int64_t whole(std::int64_t least = 0, std::int64_t most = std::numeric_limits<std::int64_t>::max()) {
    const auto n = number<std::int64_t>(word());
    if (n < least || n > most) fail(std::to_string(n) + " is out of range");
    return n;
  }
  double real() { return std::bit_cast<double>(number<std::uint64_t>(word())); }
  double seconds() {
    const double s = real();
    if (!(s >= 0 && s < 1e9)) fail(std::to_string(s) + " seconds");
    return s;
  }
  // What StateWriter::name() wrote.
  std::string name() {
    std::string_view w = word();
    std::string out;
    if (w == "%") return out;
    while (!w.empty()) {
      if (w[0] != '%') {
        out += w[0];
        w.remove_prefix(1);
        continue;
      }
      unsigned byte = 0;
      const auto [end, error] = std::from_chars(w.data() + 1, w.data() + std::min<std::size_t>(w.size(), 3), byte, 16);
      if (error != std::errc{} || end != w.data() + 3) fail("\"" + std::string(w) + "\" is not a name");
      out += static_cast<char>(static_cast<unsigned char>(byte));
      w.remove_prefix(3);
    }
    return out;
  }
  std::optional<double> maybe() {
    const std::string_view w = word();
    if (w == "-") return {};
    return std::bit_cast<double>(number<std::uint64_t>(w));
  }

  const std::filesystem::path& path_;
  std::string_view text_;
};

}  // namespace strata::inline STRATA_ABI::detail
