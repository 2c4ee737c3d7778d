// SPDX-License-Identifier: BSL-1.0
// train() and evaluate(): whole runs over data sets, as Keras' fit and evaluate.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/data/batches.hpp>
#include <strata/data/dataset.hpp>
#include <strata/training/loop.hpp>
#include <strata/training/trainer.hpp>

namespace strata {

struct EvaluateOptions {
  Normalize normalize{};
  bool dropout = false;  // on, each batch with random numbers of its own: shows what a network loses by it
  // Asked after each batch; true ends the evaluation there. Its exceptions pass through.
  std::function<bool()> stop{};
  // The number of mistakes to keep (class indices alone). Their probabilities are those that the loss sees: the softmax or
  // sigmoid of logits; of MeanSquaredError the output itself.
  std::size_t mistakes = 0;
  std::vector<Metric> metrics{};
};

template <class Data>
struct TrainOptions {
  int epochs = 1;
  std::optional<std::type_identity_t<Data>> validation{};  // after each whole epoch
  Augment augment{};                                       // of the training images alone
  Normalize normalize{};                                   // of both
  bool verbose = true;                                     // progress on stdout, as Keras prints it
  std::int64_t max_steps = 0;                              // of all epochs together, then training ends; 0: no limit
  // Asked after each step and each batch of a validation; true ends training there (Ctrl-C, a budget of time). Its
  // exceptions pass through.
  std::function<bool()> stop{};
  // Called after each epoch, also one that ends early, when its checkpoint is written, with the records of all epochs so
  // far, those from before a resume included. A resumed run begins with a call for the whole epochs behind it, if any. Its
  // exceptions pass through.
  std::function<void(std::span<const EpochRecord>)> on_epoch{};
  MakeCheckpointer checkpoint{};  // Checkpoints{.directory = ...} of io/checkpoint.hpp, or a checkpointer of your own
  // Continues from the newest checkpoint; begins if there is none. The run may become longer (epochs, max_steps);
  // everything else must be as it was. The result and the output start with the first epoch and equal those of a run that
  // was never stopped, except for the seconds.
  bool resume = false;
  double clip_norm = 0;  // gradients with a larger norm are scaled down to it; 0: none are
  int patience = 0;      // training ends after this many epochs without a better validation (best_epoch()); 0: never
  std::vector<ParameterGroup> groups{};       // factors of learning rate and weight decay, frozen tensors
  std::vector<Metric> metrics{};              // of each validation
  std::shared_ptr<Reducer<float>> reducer{};  // between gradients and update; null: none
};

namespace detail {

template <class T>
constexpr void takes_batches() {
  static_assert(std::is_same_v<T, float>, "strata: batches are float32; train a model of other numbers by Trainer::step");
}

// A data set whose number of classes is known at run time must have as many as the network has outputs.
template <class Net, class Data>
void check_classes(const Data& data) {
  if constexpr (target_of<Data>().kind == TargetKind::class_index)
    if (const int found = class_count(data); !target_of<Data>().known() && found != Net::output.size())
      throw std::invalid_argument("strata: the data set has " + std::to_string(found) + " classes; the network has " +
                                  std::to_string(Net::output.size()) + " outputs");
}

// Null if the run is not to be kept.
template <class Trainer_, class Data>
std::unique_ptr<Checkpointer> checkpointer_of(Trainer_& trainer, const Data& data, std::int64_t steps,
                                              const TrainOptions<Data>& options) {
  if (!options.checkpoint) {
    if (options.resume) throw std::invalid_argument("strata: resuming a run needs the option checkpoint");
    return {};
  }
  if (options.reducer && !options.reducer->updates(options.reducer->phase()))
    throw std::invalid_argument("strata: a run that accumulates gradients cannot be checkpointed");
  TrainingRun run = trainer.run();
  run.augment = options.augment, run.normalize = options.normalize;
  run.training_data = data_fingerprint(data);
  run.validation_data = options.validation ? data_fingerprint(*options.validation) : "none";
  run.steps = steps;
  return options.checkpoint(std::move(run), options.resume);
}

// after(StepResult) is called after each batch.
template <class Evaluator_, class Data, class After>
Evaluation evaluate_with(Evaluator_& evaluator, const Data& data, int batch, const EvaluateOptions& options,
                         const After& after) {
  Evaluation e;
  if (is_class(target_of<Data>().kind)) e.confusion = ConfusionTable(class_count(data));
  Batches<Data> batches(data, {.batch = batch, .normalize = options.normalize});
  if (batches.steps() == 0) throw std::invalid_argument("strata: the data set to evaluate on is empty");
  batches.start(0);
  RunningMean loss;
  Accuracy accuracy;
  ConfidentMistakes mistakes(options.mistakes);
  std::vector<Metric> metrics = options.metrics;
  const Observers observers{.confusion = &e.confusion, .mistakes = &mistakes, .metrics = metrics};
  for (std::uint64_t draw = 0; const auto* b = batches.next(); ++draw) {
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

template <class Trainer_, class Data>
class LearnerOf final : public Learner {
 public:
  using Feed = typename Trainer_::template Feed<Data>;
  LearnerOf(Trainer_& trainer, Feed& batches, const TrainOptions<Data>& options)
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
    return evaluate_with(trainer_, *options_.validation, trainer_.model().options().batch,
                         {.normalize = options_.normalize, .stop = stop, .metrics = options_.metrics},
                         [&](const StepResult& r) {
                           if (!std::isfinite(r.loss))
                             throw NotFiniteError(updates(), trainer_.model().first_not_finite(false), true);
                         });
  }

 private:
  Trainer_& trainer_;
  Feed& batches_;
  const TrainOptions<Data>& options_;
};

// evaluate() and train() after their check.
template <class M, class Data, class Loss>
Evaluation evaluate_checked(M& model, const Data& data, Loss loss, const EvaluateOptions& options) {
  using Net = typename M::network;
  static_assert(Dataset<Data>, "strata: this is not a data set; data/dataset.hpp says what one has");
  takes_batches<typename M::T>();
  check_classes<Net>(data);
  Evaluator<M, Loss, target_of<Data>().kind> evaluator(model, std::move(loss));
  return evaluate_with(evaluator, data, model.options().batch, options, [](const StepResult&) {});
}

template <class M, class Data, class Loss, class Optimizer_>
std::vector<EpochRecord> train_checked(M& model, const Data& data, Loss loss, Optimizer_ optimizer,
                                       const TrainOptions<Data>& options) {
  using Net = typename M::network;
  static_assert(Dataset<Data>, "strata: this is not a data set; data/dataset.hpp says what one has");
  static_assert(Optimizer<Optimizer_>, "strata: this is not an optimizer; optimizers/update.hpp says what one has");
  const LoopOptions loop{.epochs = options.epochs,
                         .max_steps = options.max_steps,
                         .verbose = options.verbose,
                         .validates = options.validation.has_value(),
                         .resume = options.resume,
                         .patience = options.patience,
                         .stop = options.stop,
                         .on_epoch = options.on_epoch};
  loop.validate();
  takes_batches<typename M::T>();
  check_classes<Net>(data);
  // The loss has been checked: Unchecked keeps the trainer from doing it again.
  using Training_ = Trainer<M, Unchecked<Loss>, Optimizer_, target_of<Data>().kind>;
  Training_ trainer(model, {std::move(loss)}, std::move(optimizer));
  trainer.clip_gradients(options.clip_norm);
  trainer.groups(options.groups);
  trainer.reduce_by(options.reducer);
  typename Training_::template Feed<Data> batches(data, {.batch = model.options().batch,
                                                         .seed = model.options().seed,
                                                         .shuffle = true,
                                                         .augment = options.augment,
                                                         .normalize = options.normalize});
  const auto steps = static_cast<std::int64_t>(batches.steps());
  if (steps == 0) throw std::invalid_argument("strata: the data set to train on is empty");
  if (options.validation && options.validation->size() == 0)
    throw std::invalid_argument("strata: the data set to validate on is empty");
  const auto checkpointer = checkpointer_of(trainer, data, steps, options);
  LearnerOf<Training_, Data> learner(trainer, batches, options);
  try {
    return run_epochs(learner, steps, checkpointer.get(), loop);
  } catch (const NotFiniteError& e) {
    if (checkpointer) checkpointer->set_aside(e.update());
    throw;
  }
}

}  // namespace detail

// Loss and accuracy on a data set, dropout off unless asked for: evaluate(model, Cifar10::test(dir)). Throws DataError for
// data that cannot be read, std::invalid_argument for an empty data set.
template <class Net, class Backend, class Mode, class Data, class Loss = SoftmaxCrossEntropy>
typename detail::checked<Evaluation, Net, Loss, Data>::result evaluate(Model<Net, Backend, Mode>& model, const Data& data,
                                                                       Loss loss = {},
                                                                       const EvaluateOptions& options = {}) {
  if constexpr (diagnose<Net, Loss, Data>().ok())
    return detail::evaluate_checked(model, data, std::move(loss), options);
  else
    return {};  // the check has failed already, with one error
}

// Trains for some epochs and returns a record of each; the optimizer begins with empty memory. The order of the images and
// their augmentation follow the model's seed. Throws std::invalid_argument for invalid options and an empty data set,
// DataError for data that cannot be read, NotFiniteError if the loss of a step or a validation is NaN or infinite or the
// norm of gradients to be clipped is, and what the checkpointer throws.
template <class Net, class Backend, class Data, class Loss, class Optimizer_>
typename detail::checked<std::vector<EpochRecord>, Net, Loss, Data>::result train(Model<Net, Backend>& model,
                                                                                  const Data& data, Loss loss,
                                                                                  Optimizer_ optimizer,
                                                                                  const TrainOptions<Data>& options = {}) {
  if constexpr (diagnose<Net, Loss, Data>().ok())
    return detail::train_checked(model, data, std::move(loss), std::move(optimizer), options);
  else
    return {};
}

}  // namespace strata
