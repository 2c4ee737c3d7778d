// SPDX-License-Identifier: BSL-1.0
// train() and evaluate(): whole runs over data sets, as Keras' fit and evaluate.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/batches.hpp>
#include <strata/data/dataset.hpp>
#include <strata/losses/dice.hpp>
#include <strata/model/fingerprint.hpp>
#include <strata/model/summary_text.hpp>
#include <strata/training/check_targets.hpp>
#include <strata/training/class_metrics.hpp>
#include <strata/training/train_core.hpp>
#include <strata/training/trainer.hpp>
#include <strata/util/processors.hpp>

namespace strata::inline STRATA_ABI {

template <class Data>
struct TrainOptions {
  int epochs = 1;
  std::optional<std::type_identity_t<Data>> validation{};  // after each whole epoch
  Augment augment{};                                       // of the training images alone
  Normalize normalize{};                                   // of both
  bool drop_last = false;                                  // an epoch leaves out a last batch that is not full
  // That prepare batches in the background. The result is the same for any number. 0: one, or as many as the process has
  // processors, at most 16, if the data set decodes files.
  int loader_threads = 0;
  bool verbose = true;         // progress on stdout, as Keras prints it
  std::int64_t max_steps = 0;  // of all epochs together, then training ends; 0: no limit
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
  // An average of the weights (training/averages.hpp): EMA{.decay = 0.999}. If it is one that is evaluated, then
  // validations, best.safetensors and the model at the end have the average; checkpoints have both, and on_epoch sees the
  // weights that training goes on from.
  Average average{};
  // An update follows so many batches, by the mean of their gradients, and the last batch of an epoch (training/reducer.hpp
  // has the details). max_steps, checkpoints and schedules count updates; training ends, and is checkpointed, after one.
  int accumulate = 1;
  // Several processes train together (parallel.hpp): {.processes = Mpi{}}, or with a GPU each (nccl.hpp) Nccl{}. Each takes
  // its share of every batch, and all end with the same weights. Order, augmentation and dropout of the images are those of
  // one process, and the model's batch is that of all processes together. BatchNorm takes the statistics of each share; the
  // running ones are their mean. `stop` is asked in all, on_epoch and the checkpointer are called in rank 0 alone, and
  // progress is printed there. If a process fails, all end with a ProcessError (training/processes.hpp).
  MakeProcesses processes{};
  // At the end the model has the weights of the best epoch (best_epoch()) instead of the last ones. Keras'
  // EarlyStopping(restore_best_weights=True), with or without patience.
  bool restore_best = false;
};

namespace detail {

template <class T>
constexpr void takes_batches() {
  static_assert(std::is_same_v<T, float>, "strata: batches are float32; train a model of other numbers by Trainer::step");
}

// Throws std::invalid_argument unless a data set whose number of classes is known at run time has as many as the network
// has outputs.
template <class Net, class Data>
void check_classes(const Data& data) {
  if constexpr (target_of<Data>().kind == TargetKind::class_index && !target_of<Data>().known())
    check_class_count(class_count(data), Net::output.size());
}

template <class Data>
EvaluationData evaluation_data(const Data& data) {
  return {.images = std::make_shared<const SourceOf<Data, float>>(data),
          .classes = is_class(target_of<Data>().kind) ? class_count(data) : 0};
}

template <class Data>
int loader_threads(int wanted) {
  constexpr int most = 16;  // each holds a batch
  return wanted != 0 ? wanted : decodes<Data> ? std::min(usable_processors(), most) : 1;
}

// evaluate() and train() after their check.
template <class M, class Data, class Loss>
Evaluation evaluate_checked(M& model, const Data& data, Loss loss, const EvaluateOptions& options) {
  static_assert(Dataset<Data>, "strata: this is not a data set; data/dataset.hpp says what one has");
  takes_batches<typename M::T>();
  check_classes<typename M::network>(data);
  const std::shared_ptr<Processes> processes = options.processes ? options.processes() : nullptr;
  return together(processes.get(), [&] {
    Evaluator<M, Loss, target_of<Data>().kind> evaluator(model, std::move(loss));
    EvaluateOptions resolved = options;
    resolved.loader_threads = loader_threads<Data>(options.loader_threads);
    resolved.stop = shared_stop(processes.get(), options.stop);
    if (processes && processes->size() > 1)
      check_evaluation(evaluator.core(), architecture_fingerprint<typename M::network>(), data_fingerprint(data), options,
                       *processes);
    return evaluate_batches(evaluator.core(), evaluation_data(data), resolved, processes.get());
  });
}

template <class M, class Data, class Loss, class Optimizer_>
std::vector<EpochRecord> train_with(std::shared_ptr<Processes> processes, M& model, const Data& data, Loss loss,
                                    Optimizer_ optimizer, const TrainOptions<Data>& options);

template <class M, class Data, class Loss, class Optimizer_>
std::vector<EpochRecord> train_checked(M& model, const Data& data, Loss loss, Optimizer_ optimizer,
                                       const TrainOptions<Data>& options) {
  const std::shared_ptr<Processes> processes = options.processes ? options.processes() : nullptr;
  return together(processes.get(),
                  [&] { return train_with(processes, model, data, std::move(loss), std::move(optimizer), options); });
}

template <class M, class Data, class Loss, class Optimizer_>
std::vector<EpochRecord> train_with(std::shared_ptr<Processes> processes, M& model, const Data& data, Loss loss,
                                    Optimizer_ optimizer, const TrainOptions<Data>& options) {
  using Net = typename M::network;
  static_assert(Dataset<Data>, "strata: this is not a data set; data/dataset.hpp says what one has");
  static_assert(Optimizer<Optimizer_>, "strata: this is not an optimizer; optimizers/update.hpp says what one has");
  takes_batches<typename M::T>();
  RunOptions run{.loop = {.epochs = options.epochs,
                          .max_steps = options.max_steps,
                          .verbose = options.verbose,
                          .validates = options.validation.has_value(),
                          .resume = options.resume,
                          .patience = options.patience,
                          .restore_best = options.restore_best,
                          .accumulate = options.accumulate,
                          .stop = options.stop,
                          .on_epoch = options.on_epoch},
                 .augment = options.augment,
                 .normalize = options.normalize,
                 .drop_last = options.drop_last,
                 .loader_threads = loader_threads<Data>(options.loader_threads),
                 .checkpoint = options.checkpoint,
                 .clip_norm = options.clip_norm,
                 .groups = options.groups,
                 .metrics = options.metrics,
                 .reducer = options.reducer,
                 .average = options.average,
                 .processes = std::move(processes)};
  run.loop.validate();
  check_classes<Net>(data);
  // The loss has been checked: Unchecked keeps the trainer from doing it again.
  using Training_ = Trainer<M, Unchecked<Loss>, Optimizer_, target_of<Data>().kind>;
  Training_ trainer(model, {std::move(loss)}, std::move(optimizer));
  if (options.validation) run.validation = evaluation_data(*options.validation);
  if (options.checkpoint || run.processes) {
    run.architecture = architecture_fingerprint<Net>(), run.summary = summary_text(summary_numbers<Net>());
    run.training_data = data_fingerprint(data);
    run.validation_data = options.validation ? data_fingerprint(*options.validation) : "none";
  }
  typename Training_::template Feed<Data> batches(data, batch_options(model.options(), run));
  return run_training(trainer.core(), batches.ring(), run);
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
// norm of gradients to be clipped is, and what the checkpointer throws. After an exception the model has the weights of the
// last update; after one of a validation, those that were validated.
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

}  // namespace strata::inline STRATA_ABI
