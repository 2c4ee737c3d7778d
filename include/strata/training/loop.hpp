// SPDX-License-Identifier: BSL-1.0
// The loop of train(): epochs, progress, validation, and what is kept of a run. It knows neither the network nor the data
// nor the optimizer, so a program compiles it once, however many it trains.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/training/metrics.hpp>
#include <strata/training/progress.hpp>
#include <strata/training/run.hpp>

namespace strata::detail {

// A network, its optimizer and its data.
class Learner {
 public:
  Learner() = default;
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;
  virtual ~Learner() = default;

  // The next batch is to be that of this step of this epoch, both from 0.
  virtual void start(std::uint64_t epoch, std::size_t step) = 0;
  // Learns from the next batch. Tells what came of a step, this one or, where steps are still under way when the next
  // begins, one before; each once, in order.
  using Tell = std::function<void(const StepResult&)>;
  virtual void step(const Tell& tell) = 0;
  // Waits for the steps under way, and tells of them.
  virtual void settle(const Tell&) {}
  // The tensors of the run (TrainingRun) get the values that the engine has; or the other way round.
  virtual void to_host() {}
  virtual void from_host() {}
  [[nodiscard]] virtual std::int64_t updates() const = 0;
  virtual void continue_at(std::int64_t updates) = 0;
  // The learning rate of an update, from 0.
  [[nodiscard]] virtual double rate(std::int64_t update) const = 0;
  virtual Evaluation validate(const std::function<bool()>& stop) = 0;
};

// Those of TrainOptions that the loop reads.
struct LoopOptions {
  int epochs;
  std::int64_t max_steps;
  bool verbose, validates, resume;
  int patience;
  const std::function<bool()>& stop;
  const std::function<void(std::span<const EpochRecord>)>& on_epoch;

  void validate() const {
    if (epochs < 0 || max_steps < 0)
      throw std::invalid_argument("strata: " + std::to_string(epochs) + " epochs of at most " + std::to_string(max_steps) +
                                  " steps; expected 0 or more of both");
    if (patience < 0 || (patience > 0 && !validates))
      throw std::invalid_argument("strata: a patience of " + std::to_string(patience) + " epochs " +
                                  (validates ? "cannot be meant" : "needs a validation"));
  }
};

inline void print_epoch(const EpochRecord& r, int epochs, std::int64_t steps) {
  std::printf("Epoch %d/%d\n", r.epoch, epochs);
  Progress progress(stdout, steps);
  progress.resume(steps, r.seconds);
  progress.finish(r.loss, r.accuracy, r.validation_loss, r.validation_accuracy);
}

// steps: of an epoch. The keeper may be null unless the run is to be resumed.
inline std::vector<EpochRecord> run_epochs(Learner& learner, std::int64_t steps, RunKeeper* keeper,
                                           const LoopOptions& options) {
  bool stopped = false;
  const auto stop = [&] { return stopped = stopped || (options.stop && options.stop()); };
  const auto spent = [&] { return options.max_steps > 0 && learner.updates() >= options.max_steps; };
  TrainingState state;
  const Learner::Tell tell = [&](const StepResult& r) {
    state.loss.add(r.loss / r.samples, r.samples);
    state.accuracy.correct += r.correct, state.accuracy.samples += r.samples;
  };
  const auto save = [&] {
    if (!keeper) return;
    learner.to_host();
    keeper->save(state);
  };
  const auto settled = [&] {
    const EpochRecord* best = best_epoch(state.history);
    return options.patience > 0 && best && static_cast<int>(state.history.size()) - best->epoch >= options.patience;
  };
  // Not kept with a run: it follows from the recipe.
  const auto at_step = [&](EpochRecord& record, std::int64_t step) {
    record.step = step, record.learning_rate = learner.rate(step - 1);
  };
  if (auto found = options.resume ? keeper->resume(options.epochs, options.max_steps) : std::nullopt) {
    state = std::move(*found);
    learner.from_host();
    learner.continue_at(state.updates);
    for (EpochRecord& record : state.history) at_step(record, record.epoch * steps);
    if (options.verbose) {
      std::printf("resumed from %s\n", keeper->where().c_str());
      for (const EpochRecord& record : state.history) print_epoch(record, options.epochs, steps);
    }
    if (options.on_epoch && !state.history.empty()) options.on_epoch(state.history);
  }
  std::vector<EpochRecord> partial;  // the epoch that training ended in
  // An epoch that has begun is gone on with even if there is nothing left to do: its figures are to be told.
  while (state.epoch <= options.epochs && (state.step > 0 || (!spent() && !settled()))) {
    if (options.verbose) {
      std::printf("Epoch %d/%d\n", state.epoch, options.epochs);
      std::fflush(stdout);
    }
    Progress progress(options.verbose ? stdout : nullptr, steps);
    progress.resume(state.step, state.seconds);
    const double before = state.seconds;
    const auto begin = std::chrono::steady_clock::now();
    learner.start(static_cast<std::uint64_t>(state.epoch - 1), static_cast<std::size_t>(state.step));
    while (state.step < steps && !spent() && !stopped) {
      learner.step(tell);
      state.updates = learner.updates();
      progress.update(++state.step, state.loss.value(), state.accuracy.value());
      state.seconds = before + std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      // The last step's follows at once, unless validation stands between.
      if (keeper && keeper->due(state.updates) && (state.step < steps || options.validates)) {
        learner.settle(tell);
        save();
      }
      stop();
    }
    learner.settle(tell);
    state.seconds = before + std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    EpochRecord record;
    record.epoch = state.epoch;
    record.loss = state.loss.value(), record.accuracy = state.accuracy.value();
    record.samples = state.accuracy.samples;
    record.seconds = state.seconds;
    at_step(record, state.updates);
    if (options.validates && state.step == steps && !stopped) {
      const Evaluation e = learner.validate(stop);
      if (!stopped) record.validation_loss = e.loss, record.validation_accuracy = e.accuracy;
    }
    progress.finish(record.loss, record.accuracy, record.validation_loss, record.validation_accuracy);
    if (state.step < steps || stopped) {
      partial.push_back(record);
      break;
    }
    state.history.push_back(record);
    state = TrainingState{.epoch = state.epoch + 1, .updates = state.updates, .history = std::move(state.history)};
    if (keeper && best_epoch(state.history) == &state.history.back()) {
      learner.to_host();
      keeper->save_best();
    }
    save();
    if (options.on_epoch) options.on_epoch(state.history);
  }
  save();
  std::vector<EpochRecord> history = std::move(state.history);
  history.insert(history.end(), partial.begin(), partial.end());
  if (options.on_epoch && !partial.empty()) options.on_epoch(history);
  return history;
}

}  // namespace strata::detail
