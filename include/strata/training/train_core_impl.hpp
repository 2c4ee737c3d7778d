// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <cmath>
#include <optional>
#include <stdexcept>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/data/batches_impl.hpp>
#include <strata/training/not_finite_error.hpp>
#include <strata/training/train_core.hpp>
#include <strata/training/trainer_core_impl.hpp>

namespace strata::inline STRATA_ABI::detail {

// after(StepResult) is called after each batch.
template <class Backend>
Evaluation evaluate_batches(EvaluatorCore<Backend>& evaluator, const EvaluationData& data, const EvaluateOptions& options,
                            FunctionRef<void(const StepResult&)> after) {
  Evaluation e;
  if (data.classes > 0) e.confusion = ConfusionTable(data.classes);
  BatchRing<ReadyImages, float> batches(
      data.images,
      {.batch = evaluator.model().options().batch, .normalize = options.normalize, .threads = options.loader_threads});
  if (batches.steps() == 0) throw std::invalid_argument("strata: the data set to evaluate on is empty");
  batches.start(0, 0);
  RunningMean loss;
  Accuracy accuracy;
  ConfidentMistakes mistakes(options.mistakes);
  std::vector<Metric> metrics = options.metrics;
  const Observers observers{.confusion = &e.confusion, .mistakes = &mistakes, .metrics = metrics};
  for (std::uint64_t draw = 0; const Batch* b = batches.next(); ++draw) {
    const StepResult r = evaluator.evaluate(b->images, b->targets, observers,
                                            options.dropout ? std::optional(draw) : std::nullopt, b->indices);
    after(r);
    loss.add(r.loss / r.samples, r.samples);
    accuracy.correct += r.correct, accuracy.samples += r.decisions;
    if (options.stop && options.stop()) break;
  }
  e.loss = loss.value();
  e.accuracy = accuracy_of(accuracy, loss.samples());
  e.mistakes = mistakes.kept();
  for (const Metric& metric : metrics) e.metrics.push_back({metric.name(), metric.value()});
  return e;
}

template <class Backend>
Evaluation evaluate_batches(EvaluatorCore<Backend>& evaluator, const EvaluationData& data, const EvaluateOptions& options) {
  return evaluate_batches(evaluator, data, options, [](const StepResult&) {});
}

template <class Backend>
class LearnerOf final : public Learner {
 public:
  using Ring = typename TrainerCore<Backend>::Steps::Ring;
  LearnerOf(TrainerCore<Backend>& trainer, Ring& batches, const RunOptions& options)
      : trainer_(trainer), batches_(batches), options_(options) {}
  void start(std::uint64_t epoch, std::size_t step) override { batches_.start(epoch, step); }
  void step(const Report& report) override { trainer_.learn(*batches_.next(), report); }
  void drain(const Report& report) override { trainer_.drain(report); }
  void download() override { trainer_.download(); }
  void upload() override { trainer_.upload(); }
  [[nodiscard]] std::int64_t updates() const override { return trainer_.updates(); }
  void continue_at(std::int64_t updates) override { trainer_.continue_at(updates); }
  [[nodiscard]] double learning_rate(std::int64_t update) const override {
    return trainer_.optimizer().learning_rate(update);
  }
  Evaluation validate(const std::function<bool()>& stop) override {
    return evaluate_batches(trainer_.evaluator(), options_.validation,
                            {.normalize = options_.normalize,
                             .stop = stop,
                             .metrics = options_.metrics,
                             .loader_threads = options_.loader_threads},
                            [&](const StepResult& r) {
                              if (!std::isfinite(r.loss))
                                throw NotFiniteError(updates(), trainer_.model().runner().first_not_finite(false), true);
                            });
  }

 private:
  TrainerCore<Backend>& trainer_;
  Ring& batches_;
  const RunOptions& options_;
};

// Null if the run is not to be kept.
template <class Backend>
std::unique_ptr<Checkpointer> checkpointer_of(TrainerCore<Backend>& trainer, std::int64_t steps,
                                              const RunOptions& options) {
  if (!options.checkpoint) {
    if (options.loop.resume) throw std::invalid_argument("strata: resuming a run needs the option checkpoint");
    return {};
  }
  if (options.reducer && !options.reducer->updates(options.reducer->phase()))
    throw std::invalid_argument("strata: a run that accumulates gradients cannot be checkpointed");
  TrainingRun run = trainer.run(options.architecture, options.summary);
  run.augment = options.augment, run.normalize = options.normalize;
  if (options.drop_last) run.more.emplace_back("drop_last");
  run.training_data = options.training_data;
  run.validation_data = options.validation_data;
  run.steps = steps;
  return options.checkpoint(std::move(run), options.loop.resume);
}

template <class Backend>
std::vector<EpochRecord> run_training(TrainerCore<Backend>& trainer, typename TrainerCore<Backend>::Steps::Ring& batches,
                                      const RunOptions& options) {
  trainer.clip_gradients(options.clip_norm);
  trainer.groups(options.groups);
  trainer.reduce_by(options.reducer);
  const auto steps = static_cast<std::int64_t>(batches.steps());
  if (steps == 0)
    throw std::invalid_argument(options.drop_last
                                    ? "strata: the data set to train on has no full batch, and drop_last leaves "
                                      "out what is less"
                                    : "strata: the data set to train on is empty");
  if (options.loop.validates && options.validation.images->size() == 0)
    throw std::invalid_argument("strata: the data set to validate on is empty");
  const auto checkpointer = checkpointer_of(trainer, steps, options);
  LearnerOf<Backend> learner(trainer, batches, options);
  try {
    return run_epochs(learner, steps, checkpointer.get(), options.loop);
  } catch (const NotFiniteError& e) {
    if (checkpointer) checkpointer->set_aside(e.update());
    throw;
  }
}

}  // namespace strata::inline STRATA_ABI::detail
