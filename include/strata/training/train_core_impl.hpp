// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/data/batches_impl.hpp>
#include <strata/training/not_finite_error.hpp>
#include <strata/training/recipe.hpp>
#include <strata/training/same_program.hpp>
#include <strata/training/shared_checkpointer.hpp>
#include <strata/training/train_core.hpp>
#include <strata/training/trainer_core_impl.hpp>
#include <strata/util/checksum.hpp>
#include <strata/util/numbers.hpp>
#include <strata/util/version.hpp>

namespace strata::inline STRATA_ABI::detail {

// The batch of each process in a round of an evaluation, as one process would have them one after the other.
template <class T>
class Round {
 public:
  struct Part {
    std::vector<T> outputs;
    std::vector<int> classes;
    std::vector<float> values;
    [[nodiscard]] Targets targets() const { return classes.empty() ? Targets(values) : Targets(classes); }
  };
  // Without a batch, outputs and targets are empty.
  Round(Processes& processes, std::span<const T> outputs, const Targets& targets) {
    const std::uint64_t sizes[] = {outputs.size(), targets.classes.size(), targets.values.size()};
    std::string own(reinterpret_cast<const char*>(sizes), sizeof sizes);
    const auto append = [&own](const auto& numbers) {
      own.append(reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes());
    };
    append(outputs), append(targets.classes), append(targets.values);
    for (const std::string& text : all_gather(processes, Call::evaluation, own)) {
      Part& part = parts_.emplace_back();
      std::uint64_t n[3] = {};
      const auto check = [](bool fits) {
        if (!fits) throw std::runtime_error("strata: a process sent another number of outputs than it announced");
      };
      check(text.size() >= sizeof n);
      std::memcpy(n, text.data(), sizeof n);
      std::size_t at = sizeof n;
      const auto take = [&](auto& numbers, std::uint64_t count) {
        check(count <= (text.size() - at) / sizeof numbers[0]);
        numbers.resize(count);
        if (count > 0) std::memcpy(numbers.data(), text.data() + at, count * sizeof numbers[0]);
        at += count * sizeof numbers[0];
      };
      take(part.outputs, n[0]), take(part.classes, n[1]), take(part.values, n[2]);
    }
  }
  [[nodiscard]] const std::vector<Part>& parts() const { return parts_; }

 private:
  std::vector<Part> parts_;
};

// after(StepResult, rank) is called after each batch, with the process that computed it. options.stop must answer the same
// in all processes (shared_stop).
template <class Backend>
Evaluation evaluate_batches(EvaluatorCore<Backend>& evaluator, const EvaluationData& data, const EvaluateOptions& options,
                            Processes* processes, FunctionRef<void(const StepResult&, int)> after) {
  using T = typename Backend::scalar;
  evaluator.views(options.views);
  Evaluation e;
  if (data.classes > 0) e.confusion = ConfusionTable(data.classes);
  const int size = processes ? processes->size() : 1, rank = processes ? processes->rank() : 0;
  const auto capacity = static_cast<std::size_t>(evaluator.model().options().batch);
  const std::size_t all = (data.images->size() + capacity - 1) / capacity;
  if (all == 0) throw std::invalid_argument("strata: the data set to evaluate on is empty");
  BatchRing<ReadyImages, float> batches(data.images, {.batch = evaluator.model().options().batch,
                                                      .normalize = options.normalize,
                                                      .threads = options.loader_threads,
                                                      .stride = size,
                                                      .offset = rank});
  batches.start(0, 0);
  RunningMean loss;
  Accuracy accuracy;
  ConfidentMistakes mistakes(options.mistakes);
  std::vector<Metric> metrics = options.metrics;
  const Observers observers{.confusion = &e.confusion, .mistakes = &mistakes, .metrics = metrics};
  const auto judge = [&](std::span<const T> outputs, const Targets& targets, std::span<const std::uint32_t> indices,
                         int of) {
    const StepResult r = evaluator.judge(outputs, targets, observers, indices);
    after(r, of);
    loss.add(r.loss / r.samples, r.samples);
    accuracy.correct += r.correct, accuracy.samples += r.decisions;
  };
  for (std::size_t draw = 0; draw < all; draw += static_cast<std::size_t>(size)) {
    const Batch* b = batches.next();
    if (b) evaluator.check(b->targets, static_cast<std::size_t>(b->size), b->indices);
    const std::optional<std::uint64_t> own =
        options.dropout ? std::optional(draw + static_cast<std::uint64_t>(rank)) : std::nullopt;
    const std::span<const T> outputs = b ? evaluator.outputs(b->images, own) : std::span<const T>();
    if (size == 1) {
      judge(outputs, b->targets, b->indices, 0);
    } else {
      int of = 0;
      const Round<T> round(*processes, outputs, b ? b->targets : Targets{});
      for (const auto& part : round.parts()) {
        if (!part.outputs.empty()) judge(part.outputs, part.targets(), {}, of);
        ++of;
      }
    }
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
Evaluation evaluate_batches(EvaluatorCore<Backend>& evaluator, const EvaluationData& data, const EvaluateOptions& options,
                            Processes* processes) {
  return evaluate_batches(evaluator, data, options, processes, [](const StepResult&, int) {});
}

template <class Backend>
void check_evaluation(EvaluatorCore<Backend>& evaluator, const std::string& architecture, const std::string& data,
                      const EvaluateOptions& options, Processes& processes) {
  auto& model = evaluator.model();
  Checksum weights;
  const auto regions = model.regions();
  model.on_host([&](const auto& host) {
    weights.bytes(std::as_bytes(std::span(host.parameters, static_cast<std::size_t>(regions.parameter_count))));
    weights.bytes(std::as_bytes(std::span(host.state, static_cast<std::size_t>(regions.state_count))));
  });
  std::vector<std::string> lines = {"strata " + std::string(version),
                                    processes.describe(),
                                    "network: " + architecture,
                                    "kernels: " + model.engine().kernels(),
                                    "evaluation of " + data,
                                    "loss: " + std::string(evaluator.loss().describe()),
                                    "batch: " + std::to_string(model.options().batch),
                                    normalize_text(options.normalize),
                                    "dropout: " + std::to_string(options.dropout),
                                    "stop: " + std::to_string(options.stop != nullptr)};
  // Dropout draws by the seed.
  if (options.dropout) lines.push_back("seed: " + std::to_string(model.options().seed));
  for (const View& v : options.views)
    lines.push_back("view: mirror " + std::to_string(v.mirror) + ", down " + std::to_string(v.down) + ", right " +
                    std::to_string(v.right) + ", weight " + number_text(v.weight));
  lines.push_back("weights: " + weights.digits());
  check_same(processes, lines);
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
                            options_.processes.get(), [&](const StepResult& r, int rank) {
                              if (std::isfinite(r.loss)) return;
                              if (options_.processes && rank != options_.processes->rank())
                                throw NotFiniteError::of_process(updates(), rank, true);
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

// Adds to a checkpoint's description the options and the data, which the trainer does not know.
inline TrainingRun completed(TrainingRun run, std::int64_t steps, const RunOptions& options) {
  run.augment = options.augment, run.normalize = options.normalize;
  if (options.drop_last) run.more.emplace_back("drop_last");
  if (options.processes && options.processes->reproducible())
    run.more.push_back("parts of a batch: " + std::to_string(options.processes->parts()));
  run.training_data = options.training_data;
  run.validation_data = options.validation_data;
  run.steps = steps, run.accumulate = options.loop.accumulate;
  return run;
}

// Throws std::runtime_error in all processes unless they run the same program with the same options and data.
inline void check_processes(const TrainingRun& run, const RunOptions& options) {
  std::vector<std::string> lines = program_lines(*options.processes, run);
  const LoopOptions& loop = options.loop;
  const auto add = [&](const std::string& name, std::int64_t number) {
    lines.push_back(name + ": " + std::to_string(number));
  };
  add("epochs", loop.epochs), add("max_steps", loop.max_steps), add("steps of an epoch", run.steps);
  add("accumulate", run.accumulate), add("patience", loop.patience), add("restore_best", loop.restore_best);
  add("resume", loop.resume), add("checkpoint", options.checkpoint != nullptr), add("stop", loop.stop != nullptr);
  check_same(*options.processes, lines);
}

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
        "strata: checkpoints do not work with a reducer that accumulates gradients; use the option accumulate");
  TrainingRun run = completed(trainer.run(options.architecture, options.summary), steps, options);
  if (options.processes && options.processes->size() > 1)
    return std::make_unique<SharedCheckpointer>(*options.processes, std::move(run), options.checkpoint,
                                                options.loop.resume);
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
                                    ? "strata: the data set to train on has less than one batch, and drop_last "
                                      "leaves that out"
                                    : "strata: the data set to train on is empty");
  const std::int64_t accumulate = options.loop.accumulate, epoch = updates_before(steps, accumulate);
  if (accumulate > 1 && options.reducer)
    throw std::invalid_argument(
        "strata: the option accumulate does not work with a reducer of your own; let the reducer accumulate");
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
  trainer.work_with(options.processes);
  Processes* const processes = options.processes && options.processes->size() > 1 ? options.processes.get() : nullptr;
  if (processes) {
    check_processes(completed(trainer.recipe(options.architecture, options.summary), steps, options), options);
    trainer.share_weights();
  }
  const auto checkpointer = checkpointer_of(trainer, steps, options);
  LearnerOf<Backend> learner(trainer, batches, options);
  // All processes end at the same step, and one of them speaks.
  LoopOptions loop = options.loop;
  loop.stop = shared_stop(processes, loop.stop);
  if (processes && processes->rank() > 0) loop.verbose = false, loop.on_epoch = nullptr;
  try {
    return run_epochs(learner, steps, checkpointer.get(), loop);
  } catch (const NotFiniteError& e) {
    if (checkpointer) checkpointer->set_aside(e.update());
    throw;
  }
}

}  // namespace strata::inline STRATA_ABI::detail
