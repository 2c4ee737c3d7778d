// SPDX-License-Identifier: BSL-1.0
// The functions of shared_checkpointer.hpp.
#pragma once
#include <cstddef>
#include <cstring>
#include <span>

#include <strata/core/linkage.hpp>
#include <strata/training/shared_checkpointer.hpp>

namespace strata::inline STRATA_ABI::detail {

// One function for both directions, so that they cannot differ: each calls it with every number of the state.
template <class Field>
void each_field(TrainingState& s, Field&& field) {
  field(s.epoch), field(s.step), field(s.updates), field(s.seconds);
  RunningMean::Sums loss = s.loss.sums();
  field(loss.sum), field(loss.lost), field(loss.samples);
  s.loss = RunningMean(loss);
  field(s.accuracy.correct), field(s.accuracy.samples);
  const auto optional = [&](std::optional<double>& x) {
    int there = x ? 1 : 0;
    double value = x.value_or(0);
    field(there), field(value);
    x = there ? std::optional(value) : std::nullopt;
  };
  std::uint64_t records = s.history.size();
  field(records);
  s.history.resize(records);
  for (EpochRecord& r : s.history) {
    field(r.epoch), field(r.loss), field(r.accuracy), field(r.samples), field(r.seconds);
    optional(r.validation_loss), optional(r.validation_accuracy);
    std::uint64_t metrics = r.validation_metrics.size();
    field(metrics);
    r.validation_metrics.resize(metrics);
    for (MetricValue& m : r.validation_metrics) {
      std::uint64_t letters = m.name.size();
      field(letters);
      m.name.resize(letters);
      for (char& letter : m.name) field(letter);
      field(m.value);
    }
  }
}

STRATA_DEFINE std::string packed_state(const TrainingState& state) {
  std::string bytes;
  TrainingState copy = state;
  each_field(copy, [&](auto& number) { bytes.append(reinterpret_cast<const char*>(&number), sizeof number); });
  return bytes;
}

STRATA_DEFINE TrainingState unpacked_state(const std::string& bytes) {
  TrainingState state;
  std::size_t at = 0;
  each_field(state, [&](auto& number) {
    std::memcpy(&number, bytes.data() + at, sizeof number);
    at += sizeof number;
  });
  return state;
}

STRATA_DEFINE std::optional<TrainingState> SharedCheckpointer::resume(int epochs, std::int64_t max_steps) {
  std::string text;
  if (own_)
    if (const auto found = own_->resume(epochs, max_steps)) text = packed_state(*found);
  text = broadcast_text(processes_, text);
  if (text.empty()) return {};
  for (const RunTensor& t : tensors_) processes_.broadcast(std::as_writable_bytes(t.values));
  where_ = broadcast_text(processes_, own_ ? own_->where() : "");
  return unpacked_state(text);
}

STRATA_DEFINE bool SharedCheckpointer::due(std::int64_t updates) const {
  std::byte due{own_ && own_->due(updates)};
  if (all_save_) processes_.broadcast(std::span(&due, 1));
  return due != std::byte{0};
}

STRATA_DEFINE std::vector<std::vector<float>> SharedCheckpointer::best() {
  std::vector<std::vector<float>> values;
  if (own_) values = own_->best();
  if (broadcast_text(processes_, values.empty() ? "" : "best").empty()) return {};
  values.resize(weights_);
  for (std::size_t i = 0; i < weights_; ++i) {
    values[i].resize(tensors_[i].values.size());
    processes_.broadcast(std::as_writable_bytes(std::span(values[i])));
  }
  return values;
}

}  // namespace strata::inline STRATA_ABI::detail
