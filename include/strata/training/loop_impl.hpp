// SPDX-License-Identifier: BSL-1.0
// The functions of loop.hpp.
#pragma once
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/training/loop.hpp>
#include <strata/training/progress.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE void LoopOptions::validate() const {
  if (epochs < 0 || max_steps < 0)
    throw std::invalid_argument("strata: " + std::to_string(epochs) + " epochs of at most " + std::to_string(max_steps) +
                                " steps; expected 0 or more of both");
  if (patience < 0 || (patience > 0 && !validates))
    throw std::invalid_argument("strata: a patience of " + std::to_string(patience) + " epochs " +
                                (validates ? "is negative" : "needs a validation"));
  if (restore_best && !validates)
    throw std::invalid_argument("strata: restore_best needs a validation, which finds the best epoch");
  if (accumulate < 1)
    throw std::invalid_argument("strata: gradients are accumulated over " + std::to_string(accumulate) +
                                " steps; expected at least 1");
}

STRATA_DEFINE void print_epoch(const EpochRecord& r, int epochs, std::int64_t steps) {
  std::printf("Epoch %d/%d\n", r.epoch, epochs);
  Progress progress(stdout, steps);
  progress.resume(steps, r.seconds);
  progress.finish(r.loss, r.accuracy, r.validation_loss, r.validation_accuracy, r.validation_metrics);
}

STRATA_DEFINE std::vector<EpochRecord> run_epochs(Learner& learner, std::int64_t steps, Checkpointer* checkpointer,
                                                  const LoopOptions& options) {
  bool stopped = false;
  const auto stop = [&] { return stopped = stopped || (options.stop && options.stop()); };
  const auto spent = [&] { return options.max_steps > 0 && learner.updates() >= options.max_steps; };
  const std::int64_t epoch_updates = updates_before(steps, options.accumulate);
  TrainingState state;
  const Learner::Report report = [&](const StepResult& r) {
    state.loss.add(r.loss / r.samples, r.samples);
    state.accuracy.correct += r.correct, state.accuracy.samples += r.decisions;
  };
  const auto accuracy = [&] { return accuracy_of(state.accuracy, state.loss.samples()); };
  const auto save = [&] {
    if (!checkpointer) return;
    learner.download();
    checkpointer->save(state);
  };
  const auto finished_early = [&] {
    const EpochRecord* best = best_epoch(state.history);
    return options.patience > 0 && best && static_cast<int>(state.history.size()) - best->epoch >= options.patience;
  };
  // Not part of a checkpoint, since it follows from the recipe.
  std::vector<double> losses;  // of the validations
  const auto at_step = [&](EpochRecord& record, std::int64_t step) {
    record.step = step, record.learning_rate = learner.learning_rate(step - 1);
  };
  const auto after_epoch = [&](const EpochRecord& record) {
    if (record.validation_loss) losses.push_back(*record.validation_loss);
    learner.validated(losses);
  };
  if (auto found = options.resume ? checkpointer->resume(options.epochs, options.max_steps) : std::nullopt) {
    state = std::move(*found);
    learner.upload();
    learner.continue_at(state.updates, (state.epoch - 1) * steps + state.step);
    for (EpochRecord& record : state.history) {
      at_step(record, record.epoch * epoch_updates);
      after_epoch(record);
    }
    if (options.restore_best && best_epoch(state.history)) {
      std::vector<std::vector<float>> best = checkpointer->best();
      if (best.empty())
        throw std::runtime_error(checkpointer->where() + ": the best weights of this run are not kept beside it");
      learner.keep_best(std::move(best));
    }
    if (options.verbose) {
      std::printf("resumed from %s\n", checkpointer->where().c_str());
      for (const EpochRecord& record : state.history) print_epoch(record, options.epochs, steps);
    }
    if (options.on_epoch && !state.history.empty()) options.on_epoch(state.history);
  }
  std::vector<EpochRecord> partial;  // an epoch that ended early
  // An epoch that has started is always finished, so that it is reported.
  while (state.epoch <= options.epochs && (state.step > 0 || (!spent() && !finished_early()))) {
    if (options.verbose) {
      std::printf("Epoch %d/%d\n", state.epoch, options.epochs);
      std::fflush(stdout);
    }
    Progress progress(options.verbose ? stdout : nullptr, steps);
    progress.resume(state.step, state.seconds);
    const double before = state.seconds;
    const auto begin = std::chrono::steady_clock::now();
    learner.start(static_cast<std::uint64_t>(state.epoch - 1), static_cast<std::size_t>(state.step));
    while (state.step < steps && (!learner.between_updates() || (!spent() && !stopped))) {
      learner.step(report);
      state.updates = learner.updates();
      progress.update(++state.step, state.loss.value(), accuracy());
      state.seconds = before + std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      // After the last step of an epoch the checkpoint follows anyway, unless a validation comes first.
      if (checkpointer && learner.between_updates() && checkpointer->due(state.updates) &&
          (state.step < steps || options.validates)) {
        learner.drain(report);
        save();
      }
      stop();
    }
    learner.drain(report);
    state.seconds = before + std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    EpochRecord record;
    record.epoch = state.epoch;
    record.loss = state.loss.value(), record.accuracy = accuracy();
    record.samples = state.loss.samples();
    record.seconds = state.seconds;
    at_step(record, state.updates);
    if (options.validates && state.step == steps && !stopped) {
      learner.exchange_average();
      const Evaluation e = learner.validate(stop);
      learner.exchange_average();
      if (!stopped) {
        record.validation_loss = e.loss, record.validation_metrics = e.metrics;
        if (!std::isnan(e.accuracy)) record.validation_accuracy = e.accuracy;
      }
    }
    progress.finish(record.loss, record.accuracy, record.validation_loss, record.validation_accuracy,
                    record.validation_metrics);
    if (state.step < steps || stopped) {
      partial.push_back(record);
      break;
    }
    state.history.push_back(record);
    state = TrainingState{.epoch = state.epoch + 1, .updates = state.updates, .history = std::move(state.history)};
    after_epoch(state.history.back());
    if ((checkpointer || options.restore_best) && best_epoch(state.history) == &state.history.back()) {
      learner.exchange_average();
      try {
        if (checkpointer) {
          learner.download();
          checkpointer->save_best();
        }
        if (options.restore_best) learner.keep_best();
      } catch (...) {
        learner.exchange_average();
        throw;
      }
      learner.exchange_average();
    }
    save();
    if (options.on_epoch) options.on_epoch(state.history);
  }
  save();
  if (!options.restore_best || !learner.restore_best()) learner.exchange_average();
  std::vector<EpochRecord> history = std::move(state.history);
  history.insert(history.end(), partial.begin(), partial.end());
  if (options.on_epoch && !partial.empty()) options.on_epoch(history);
  return history;
}

}  // namespace strata::inline STRATA_ABI::detail
