// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
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
  evaluator.views(options.views);
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
  for (const Metric& metric : metrics)
    for (MetricValue& value : metric.values()) e.metrics.push_back(std::move(value));
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
  void start(std::uint64_t epoch, std::size_t step) override {
    batches_.start(epoch, step);
    trainer_.start_epoch(static_cast<std::int64_t>(step));
  }
  void step(const Report& report) override { trainer_.learn(*batches_.next(), report); }
  void drain(const Report& report) override { trainer_.drain(report); }
  void download() override { trainer_.download(); }
  void upload() override { trainer_.upload(); }
  [[nodiscard]] std::int64_t updates() const override { return trainer_.updates(); }
  [[nodiscard]] bool between_updates() const override { return trainer_.between_updates(); }
  void continue_at(std::int64_t updates, std::int64_t steps) override { trainer_.continue_at(updates, steps); }
  void validated(std::vector<double> losses) override { trainer_.validated(std::move(losses)); }
  [[nodiscard]] double learning_rate(std::int64_t update) const override {
    return trainer_.optimizer().learning_rate(update, trainer_.context());
  }
  void exchange_average() override {
    if (trainer_.average().evaluated()) trainer_.exchange_average();
  }
  void keep_best() override {
    best_.clear();
    each_tensor([&](std::span<T> values) { best_.emplace_back(values.begin(), values.end()); });
  }
  void keep_best(std::vector<std::vector<float>> values) override { best_ = std::move(values); }
  bool restore_best() override {
    if (best_.empty()) return false;
    std::size_t i = 0;
    each_tensor([&](std::span<T> values) {
      std::copy(best_[i].begin(), best_[i].end(), values.begin());
      ++i;
    });
    return true;
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
  using T = typename TrainerCore<Backend>::T;
  using Core = typename TrainerCore<Backend>::Core;
  template <class F>
  void each_tensor(F&& f) {
    trainer_.model().on_host([&](const HostTensors<T>& host) {
      for (const NamedTensor& t : trainer_.model().tensors())
        f(std::span<T>(Core::values(host, t), static_cast<std::size_t>(t.info.size())));
    });
  }

  TrainerCore<Backend>& trainer_;
  Ring& batches_;
  const RunOptions& options_;
  std::vector<std::vector<float>> best_;
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
    throw std::invalid_argument(
        "strata: a run whose reducer accumulates gradients cannot be checkpointed; the option accumulate can");
  TrainingRun run = trainer.run(options.architecture, options.summary);
  run.augment = options.augment, run.normalize = options.normalize;
  if (options.drop_last) run.more.emplace_back("drop_last");
  run.training_data = options.training_data;
  run.validation_data = options.validation_data;
  run.steps = steps, run.accumulate = options.loop.accumulate;
  return options.checkpoint(std::move(run), options.loop.resume);
}

template <class Backend>
std::vector<EpochRecord> run_training(TrainerCore<Backend>& trainer, typename TrainerCore<Backend>::Steps::Ring& batches,
                                      const RunOptions& options) {
  trainer.clip_gradients(options.clip_norm);
  trainer.groups(options.groups);
  const auto steps = static_cast<std::int64_t>(batches.steps());
  if (steps == 0)
    throw std::invalid_argument(options.drop_last
                                    ? "strata: the data set to train on has no full batch, and drop_last leaves "
                                      "out what is less"
                                    : "strata: the data set to train on is empty");
  const std::int64_t accumulate = options.loop.accumulate, epoch = updates_before(steps, accumulate);
  if (accumulate > 1 && options.reducer)
    throw std::invalid_argument("strata: accumulate and a reducer of your own: the reducer has to accumulate too");
  std::shared_ptr<Reducer<float>> reducer = options.reducer;
  if (accumulate > 1) reducer = std::make_shared<Accumulate<float>>(options.loop.accumulate, steps);
  trainer.reduce_by(std::move(reducer));
  const std::int64_t most = options.loop.max_steps;
  // A reducer of one's own that accumulates makes updates of which nobody knows how many an epoch has.
  if (!options.reducer || options.reducer->updates(options.reducer->phase()))
    trainer.plan(epoch, most > 0 ? std::min(most, epoch * options.loop.epochs) : epoch * options.loop.epochs);
  else
    trainer.plan(0, 0);
  trainer.average_by(options.average);
  if (trainer.optimizer().follows_validation() && !options.loop.validates)
    throw std::invalid_argument("strata: the learning rate follows the validation's loss; train() needs a validation");
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
