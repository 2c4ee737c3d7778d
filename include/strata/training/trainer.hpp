// SPDX-License-Identifier: BSL-1.0
// Training: one step, for loops of your own, and the whole loop as Keras' fit.
#pragma once
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/backend/cpu/losses.hpp>
#include <strata/backend/cpu/optimizers.hpp>
#include <strata/core/diagnose.hpp>
#include <strata/core/summary.hpp>
#include <strata/data/batches.hpp>
#include <strata/data/dataset.hpp>
#include <strata/model/fingerprint.hpp>
#include <strata/model/model.hpp>
#include <strata/optimizers/optimizers.hpp>
#include <strata/training/loop.hpp>
#include <strata/training/metrics.hpp>
#include <strata/training/run.hpp>

namespace strata {

// Training that cannot go on: a loss is NaN or infinite. The parameters are those from before the step; where the loss is
// that of a validation, those that gave it.
class NotFiniteError : public std::runtime_error {
 public:
  // update: how many were done before. first: the first layer whose output is not finite; none where the loss alone is not.
  NotFiniteError(std::int64_t update, LayerName first, bool validation = false)
      : std::runtime_error((validation ? "strata: the validation loss after update " : "strata: the loss of update ") +
                           std::to_string(update) + " is NaN or infinite; " + why(first)),
        update_(update),
        layer_(first.number) {}
  [[nodiscard]] std::int64_t update() const noexcept { return update_; }
  [[nodiscard]] int layer() const noexcept { return layer_; }  // Input is 0; -1: none

 private:
  static std::string why(LayerName first) {
    if (first.number < 0) return "the outputs are finite, the loss of them is not; try a lower learning rate";
    if (first.number == 0) return "and so are the images (layer 0, Input); look at the data";
    return "layer " + std::to_string(first.number) + " (" + std::string(first.name) +
           ") is the first whose output is; try a lower learning rate";
  }
  std::int64_t update_;
  int layer_;
};

namespace detail {

// gradient may be null. Unchecked<Loss> computes what Loss computes.
template <class T, class Loss>
void run_loss(Loss, int batch, int classes, const T* x, const int* labels, T* loss, T* gradient, ThreadPool& pool) {
  if constexpr (std::is_base_of_v<SoftmaxCrossEntropy, Loss>)
    cpu::softmax_cross_entropy(batch, classes, x, labels, loss, gradient, pool);
  else if constexpr (std::is_base_of_v<NegativeLogLikelihood, Loss>)
    cpu::negative_log_likelihood(batch, classes, x, labels, loss, gradient, pool);
  else if constexpr (std::is_base_of_v<CrossEntropy, Loss>)
    cpu::cross_entropy(batch, classes, x, labels, loss, gradient, pool);
  else if constexpr (std::is_base_of_v<MeanSquaredError, Loss>)
    cpu::mean_squared_error(batch, classes, x, labels, loss, gradient, pool);
  else if constexpr (std::is_base_of_v<SigmoidCrossEntropy, Loss>)
    cpu::sigmoid_cross_entropy(batch, classes, x, labels, loss, gradient, pool);
  else
    static_assert(sizeof(Loss) == 0, "strata: this backend has no kernel for the loss");
}

// What the loss takes for the probability of class c, of one sample's outputs.
template <class Loss, class T>
double probability(std::span<const T> outputs, int c) {
  const auto x = static_cast<double>(outputs[static_cast<std::size_t>(c)]);
  if constexpr (std::is_base_of_v<SoftmaxCrossEntropy, Loss>) {
    double sum = 0;  // a class that was predicted is there: no output is NaN
    for (const T y : outputs) sum += std::exp(static_cast<double>(y) - x);
    return 1 / sum;
  } else if constexpr (std::is_base_of_v<NegativeLogLikelihood, Loss>) {
    return std::exp(x);
  } else if constexpr (std::is_base_of_v<SigmoidCrossEntropy, Loss>) {
    return 1 / (1 + std::exp(-x));
  } else {
    return x;
  }
}

// What is trained, for a RunKeeper; without loss, data and steps, which the loop knows. memory(slot): what the optimizer
// keeps, on the host, in the order of the model's parameters.
template <class M, class Optimizer_, class Memory>
TrainingRun training_run(M& model, const Optimizer_& optimizer, double clip_norm, const Memory& memory) {
  using Net = typename M::network;
  TrainingRun run{.architecture = architecture_fingerprint<Net>(),
                  .summary = summary<Net>(),
                  .optimizer = optimizer.describe(),
                  .batch = model.options().batch,
                  .seed = model.options().seed,
                  .clip_norm = clip_norm,
                  .kernels = model.engine().kernels()};
  std::vector<RunTensor> kept;
  std::size_t offset = 0;
  model.for_each_tensor([&](const std::string& name, const TensorInfo& info, std::span<float> values) {
    const std::vector<std::int64_t> shape(info.shape.begin(), info.shape.begin() + info.rank);
    run.tensors.push_back({name, shape, values});
    if (!info.trainable()) return;
    for (int slot = 0; slot < Optimizer_::slots; ++slot)
      kept.push_back(
          {"optimizer/" + std::to_string(slot) + "/" + name, shape, memory(slot).subspan(offset, values.size())});
    offset += values.size();
  });
  run.weights = run.tensors.size();
  run.tensors.insert(run.tensors.end(), kept.begin(), kept.end());
  return run;
}

// In sample order, whatever the threads did. confusion and mistakes may be null.
template <class Loss, class T>
StepResult count(std::span<const T> outputs, std::span<const int> labels, const std::vector<T>& losses, int classes,
                 ConfusionTable* confusion, ConfidentMistakes* mistakes) {
  StepResult r;
  r.samples = static_cast<int>(labels.size());
  const auto size = static_cast<std::size_t>(classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::span<const T> own = outputs.subspan(i * size, size);
    const int predicted = predicted_class(own);
    r.loss += static_cast<double>(losses[i]);
    r.correct += predicted == labels[i];
    if (confusion) confusion->add(labels[i], predicted);
    if (mistakes) mistakes->add(labels[i], predicted, [&](int c) { return probability<Loss>(own, c); });
  }
  return r;
}

inline void check_labels(std::span<const int> labels, std::size_t samples, int classes) {
  if (labels.size() != samples)
    throw std::invalid_argument("strata: " + std::to_string(labels.size()) + " labels for " + std::to_string(samples) +
                                " images");
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] < 0 || labels[i] >= classes)
      throw std::invalid_argument("strata: label " + std::to_string(labels[i]) + " of image " + std::to_string(i) +
                                  " is not in [0, " + std::to_string(classes) + ")");
}

}  // namespace detail

// A model, a loss and an optimizer with its memory, for loops of your own. A step allocates nothing.
//   Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.01, .momentum = 0.9});
//   for (...) const StepResult r = trainer.step(images, labels);
template <class M, class Loss, class Optimizer_>
class Trainer {
  static_assert(sizeof(detail::checked<void, typename M::network, Loss>) != 0);

 public:
  using T = typename M::T;
  using Net = typename M::network;
  static constexpr int classes = static_cast<int>(Net::output.size());
  static constexpr int slots = Optimizer_::slots;

  // The model must outlive the trainer. Throws std::invalid_argument for rates that cannot be meant.
  Trainer(M& model, Loss, Optimizer_ optimizer)
      : model_(model), optimizer_(std::move(optimizer)), losses_(static_cast<std::size_t>(model.options().batch)) {
    optimizer_.validate();
    const std::size_t bytes =
        static_cast<std::size_t>(detail::aligned(Net::parameters * static_cast<std::int64_t>(sizeof(T))));
    moments_.reserve(static_cast<std::size_t>(Optimizer_::slots) * bytes / sizeof(T));
    detail::prefer_large_pages(moments_.data(), static_cast<std::size_t>(Optimizer_::slots) * bytes);
    moments_.assign(static_cast<std::size_t>(Optimizer_::slots) * bytes / sizeof(T), T{0});
    slot_ = bytes / sizeof(T);
  }

  // images (N,H,W,C), labels (N) in [0, classes), N up to the model's batch: forward, backward, update. The loss and what
  // is right are those before the update; without images nothing is done. Throws std::invalid_argument for sizes and labels
  // that do not fit, which changes nothing; and NotFiniteError, which leaves parameters and the optimizer's memory as they
  // were, and BatchNorm's running statistics finite.
  StepResult step(std::span<const T> images, std::span<const int> labels) {
    if (images.empty() && labels.empty()) return {};
    detail::check_labels(labels, images.size() / static_cast<std::size_t>(Net::input.size()), classes);
    const std::span<const T> outputs = model_.forward(images, true, static_cast<std::uint64_t>(updates_));
    const int n = static_cast<int>(outputs.size()) / classes;
    const StepResult result = [&] {
      const Profile::Timer timer(profile_ ? &profile_->rows[profile_->rows.size() - 2].backward : nullptr);
      detail::run_loss(Loss{}, n, classes, outputs.data(), labels.data(), losses_.data(), model_.output_gradient(),
                       model_.pool());
      return detail::count<Loss>(outputs, labels, losses_, classes, nullptr, nullptr);
    }();
    if (!std::isfinite(result.loss)) throw NotFiniteError(updates_, model_.first_not_finite(true));
    model_.backward();
    {
      const Profile::Timer timer(profile_ ? &profile_->rows.back().backward : nullptr);
      update();
    }
    if (profile_) ++profile_->steps, profile_->samples += n;
    return result;
  }

  // From now on each step adds its times to the profile (see Model::watch), with a row for the loss and one for the update;
  // null ends that. The profile must live until then.
  void watch(Profile* profile) {
    model_.watch(profile);
    profile_ = profile;
    if (!profile) return;
    profile->rows.push_back({.name = "loss", .first = -1});
    profile->rows.push_back({.name = "update", .first = -1});
  }

  // Without learning, and with dropout off, or on with the random numbers of a draw. A loss that is not finite is returned
  // as it is; outputs with a NaN are never right. What was predicted is added to `confusion` and `mistakes`. Throws
  // std::invalid_argument as step().
  StepResult evaluate(std::span<const T> images, std::span<const int> labels, ConfusionTable* confusion = nullptr,
                      ConfidentMistakes* mistakes = nullptr, std::optional<std::uint64_t> draw = {}) {
    const std::span<const T> outputs = draw ? model_.predict_with_dropout(images, *draw) : model_.predict(images);
    const int n = static_cast<int>(outputs.size()) / classes;
    detail::check_labels(labels, static_cast<std::size_t>(n), classes);
    detail::run_loss(Loss{}, n, classes, outputs.data(), labels.data(), losses_.data(), static_cast<T*>(nullptr),
                     model_.pool());
    return detail::count<Loss>(outputs, labels, losses_, classes, confusion, mistakes);
  }

  // Done so far.
  [[nodiscard]] std::int64_t updates() const { return updates_; }
  [[nodiscard]] const Optimizer_& optimizer() const { return optimizer_; }
  [[nodiscard]] M& model() { return model_; }
  // What the optimizer keeps, in the order of the model's parameters; slot in [0, slots).
  [[nodiscard]] std::span<T> memory(int slot) {
    return {moments_.data() + static_cast<std::size_t>(slot) * slot_, static_cast<std::size_t>(Net::parameters)};
  }
  // From now on gradients whose norm, over all parameters, is larger are scaled down to it before the update (Pascanu,
  // Mikolov, Bengio 2013); 0: none are. Throws std::invalid_argument where it cannot be meant.
  void clip_gradients(double norm) {
    detail::check_not_negative("the norm that gradients are clipped to", norm);
    clip_norm_ = norm;
  }
  // What is trained, for a RunKeeper; without loss, data and steps, which the loop knows.
  [[nodiscard]] TrainingRun run()
    requires std::is_same_v<T, float>
  {
    return detail::training_run(model_, optimizer_, clip_norm_, [this](int slot) { return memory(slot); });
  }
  // With parameters and memory put where they were after so many updates, goes on from there.
  void continue_at(std::int64_t updates) { updates_ = updates; }

  // What train() asks. The tensors of run() are those that it works on; a step is done when the next one begins.
  template <class Data>
  using Feed = Batches<Data>;
  template <class Tell>
  void learn(const Batch& batch, const Tell& tell) {
    tell(step(batch.images, batch.labels));
  }
  template <class Tell>
  void settle(const Tell&) {}
  void to_host() {}
  void from_host() {}

 private:
  void update() {
    const T rate = static_cast<T>(optimizer_.learning_rate(updates_++));
    const auto n = static_cast<std::int64_t>(Net::parameters);
    T* w = model_.parameters().data();
    T* g = model_.gradients().data();
    if (clip_norm_ > 0) cpu::clip_by_norm(n, clip_norm_, g, model_.pool());
    if constexpr (std::is_same_v<Optimizer_, SGD>) {
      cpu::sgd_update(n, rate, static_cast<T>(optimizer_.momentum), optimizer_.nesterov,
                      static_cast<T>(optimizer_.weight_decay), w, g, moments_.data(), model_.pool());
    } else {
      static_assert(std::is_same_v<Optimizer_, Adam> || std::is_same_v<Optimizer_, AdamW>,
                    "strata: this backend has no kernel for the optimizer");
      cpu::adam_update(n, rate, static_cast<T>(optimizer_.beta1), static_cast<T>(optimizer_.beta2),
                       static_cast<T>(optimizer_.epsilon), static_cast<T>(optimizer_.weight_decay),
                       std::is_same_v<Optimizer_, AdamW>, updates_, w, g, moments_.data(), moments_.data() + slot_,
                       model_.pool());
    }
  }

  M& model_;
  Optimizer_ optimizer_;
  std::vector<T> losses_;   // of a step's samples
  std::vector<T> moments_;  // slots, one after the other
  std::size_t slot_ = 0;
  std::int64_t updates_ = 0;
  double clip_norm_ = 0;
  Profile* profile_ = nullptr;
};

struct EvaluateOptions {
  Normalize normalize{};
  bool dropout = false;  // on as while training, each batch with a draw of its own: what a network loses by it
  // Asked after each batch; true ends the evaluation there. What it throws passes on.
  std::function<bool()> stop{};
  // How many mistakes to keep. Their probabilities are what the loss takes for them: of logits the softmax (or sigmoid), of
  // MeanSquaredError the output itself.
  std::size_t mistakes = 0;
};

template <class Data>
struct TrainOptions {
  int epochs = 1;
  std::optional<std::type_identity_t<Data>> validation{};  // after each whole epoch
  Augment augment{};                                       // of the training images alone
  Normalize normalize{};                                   // of both
  bool verbose = true;                                     // progress on stdout, as Keras prints it
  std::int64_t max_steps = 0;                              // of all epochs together, then training ends; 0: no limit
  // Asked after each step and each batch of a validation; true ends training there (Ctrl-C, a budget of time). What it
  // throws passes on.
  std::function<bool()> stop{};
  // Called after each epoch, also one that training ends in, with the records of all so far, those from before a resume
  // included; when its checkpoint is written. A run that is resumed begins with a call for the whole epochs that it has
  // behind it, if any. What it throws passes on.
  std::function<void(std::span<const EpochRecord>)> on_epoch{};
  MakeKeeper checkpoint{};  // Checkpoints{.directory = ...} of io/checkpoint.hpp, or a keeper of your own
  // Goes on from the newest checkpoint, and begins where there is none. The run may become longer (epochs, max_steps); all
  // else has to be as it was. What is returned and printed begins with the first epoch, and is what a run that was never
  // stopped returns and prints, but for the seconds.
  bool resume = false;
  double clip_norm = 0;  // gradients with a larger norm are scaled down to it; 0: none are
  int patience = 0;      // training ends after so many epochs without a better validation (best_epoch()); 0: it does not
};

namespace detail {

// Keeps nothing and never runs: for a trainer that only evaluates.
struct NoOptimizer {
  static constexpr int slots = 0;
  void validate() const {}
};

template <class Loss>
constexpr const char* loss_name() {
  return std::is_base_of_v<SoftmaxCrossEntropy, Loss>     ? "SoftmaxCrossEntropy"
         : std::is_base_of_v<NegativeLogLikelihood, Loss> ? "NegativeLogLikelihood"
         : std::is_base_of_v<CrossEntropy, Loss>          ? "CrossEntropy"
         : std::is_base_of_v<MeanSquaredError, Loss>      ? "MeanSquaredError"
                                                          : "SigmoidCrossEntropy";
}

template <class T>
constexpr void takes_batches() {
  static_assert(std::is_same_v<T, float>, "strata: batches are float32; a model of other numbers learns by Trainer::step");
}

// Null where the run is not to be kept.
template <class Trainer_, class Data>
std::unique_ptr<RunKeeper> keeper_of(Trainer_& trainer, const Data& data, std::int64_t steps, const char* loss,
                                     const TrainOptions<Data>& options) {
  if (!options.checkpoint) {
    if (options.resume) throw std::invalid_argument("strata: to resume a run, its checkpoints are needed");
    return {};
  }
  TrainingRun run = trainer.run();
  run.loss = loss;
  run.augment = options.augment, run.normalize = options.normalize;
  run.training_data = data_fingerprint(data);
  run.validation_data = options.validation ? data_fingerprint(*options.validation) : "none";
  run.steps = steps;
  return options.checkpoint(std::move(run), options.resume);
}

// heard(StepResult): after each batch.
template <class Trainer_, class Data, class Heard>
Evaluation evaluate_with(Trainer_& trainer, const Data& data, int batch, const EvaluateOptions& options,
                         const Heard& heard) {
  Evaluation e;
  e.confusion = ConfusionTable(Data::classes);
  Batches<Data> batches(data, {.batch = batch, .normalize = options.normalize});
  if (batches.steps() == 0) throw std::invalid_argument("strata: nothing to evaluate on: the data set is empty");
  batches.start(0);
  RunningMean loss;
  ConfidentMistakes mistakes(options.mistakes);
  for (std::uint64_t draw = 0; const auto* b = batches.next(); ++draw) {
    const StepResult r = trainer.evaluate(b->images, b->labels, &e.confusion, &mistakes,
                                          options.dropout ? std::optional(draw) : std::nullopt);
    heard(r);
    loss.add(r.loss / r.samples, r.samples);
    if (options.stop && options.stop()) break;
  }
  e.loss = loss.value();
  e.accuracy = e.confusion.accuracy();
  e.mistakes = mistakes.kept();
  return e;
}

template <class Trainer_, class Data>
class LearnerOf final : public Learner {
 public:
  using Feed = typename Trainer_::template Feed<Data>;
  LearnerOf(Trainer_& trainer, Feed& batches, const TrainOptions<Data>& options)
      : trainer_(trainer), batches_(batches), options_(options) {}
  void start(std::uint64_t epoch, std::size_t step) override { batches_.start(epoch, step); }
  void step(const Tell& tell) override { trainer_.learn(*batches_.next(), tell); }
  void settle(const Tell& tell) override { trainer_.settle(tell); }
  void to_host() override { trainer_.to_host(); }
  void from_host() override { trainer_.from_host(); }
  [[nodiscard]] std::int64_t updates() const override { return trainer_.updates(); }
  void continue_at(std::int64_t updates) override { trainer_.continue_at(updates); }
  [[nodiscard]] double rate(std::int64_t update) const override { return trainer_.optimizer().learning_rate(update); }
  Evaluation validate(const std::function<bool()>& stop) override {
    return evaluate_with(trainer_, *options_.validation, trainer_.model().options().batch,
                         {.normalize = options_.normalize, .stop = stop}, [&](const StepResult& r) {
                           if (!std::isfinite(r.loss))
                             throw NotFiniteError(updates(), trainer_.model().first_not_finite(false), true);
                         });
  }

 private:
  Trainer_& trainer_;
  Feed& batches_;
  const TrainOptions<Data>& options_;
};

}  // namespace detail

// Loss and accuracy on a data set, dropout off unless asked for: evaluate(model, Cifar10::test(dir)). Throws DataError for
// data that cannot be read, std::invalid_argument for an empty data set.
template <class Net, class Backend, class Mode, Dataset Data, class Loss = SoftmaxCrossEntropy>
typename detail::checked<Evaluation, Net, Loss, Data>::result evaluate(Model<Net, Backend, Mode>& model, const Data& data,
                                                                       Loss loss = {},
                                                                       const EvaluateOptions& options = {}) {
  detail::takes_batches<typename Backend::scalar>();
  Trainer<Model<Net, Backend, Mode>, Unchecked<Loss>, detail::NoOptimizer> trainer(model, {loss}, {});  // is checked
  return detail::evaluate_with(trainer, data, model.options().batch, options, [](const StepResult&) {});
}

// Trains for some epochs and returns a record of each; the optimizer begins with empty memory. The order of the images and
// their augmentation follow the model's seed. Throws std::invalid_argument for options that cannot be meant and an empty
// data set, DataError for data that cannot be read, NotFiniteError where the loss, or that of a validation, stops being a
// number; and what the keeper of its checkpoints throws.
template <class Net, class Backend, Dataset Data, class Loss, Optimizer Optimizer_>
typename detail::checked<std::vector<EpochRecord>, Net, Loss, Data>::result train(Model<Net, Backend>& model,
                                                                                  const Data& data, Loss loss,
                                                                                  Optimizer_ optimizer,
                                                                                  const TrainOptions<Data>& options = {}) {
  const detail::LoopOptions loop{.epochs = options.epochs,
                                 .max_steps = options.max_steps,
                                 .verbose = options.verbose,
                                 .validates = options.validation.has_value(),
                                 .resume = options.resume,
                                 .patience = options.patience,
                                 .stop = options.stop,
                                 .on_epoch = options.on_epoch};
  loop.validate();
  detail::takes_batches<typename Backend::scalar>();
  using Training_ = Trainer<Model<Net, Backend>, Unchecked<Loss>, Optimizer_>;
  Training_ trainer(model, {loss}, std::move(optimizer));  // is checked
  trainer.clip_gradients(options.clip_norm);
  typename Training_::template Feed<Data> batches(data, {.batch = model.options().batch,
                                                         .seed = model.options().seed,
                                                         .shuffle = true,
                                                         .augment = options.augment,
                                                         .normalize = options.normalize});
  const auto steps = static_cast<std::int64_t>(batches.steps());
  if (steps == 0) throw std::invalid_argument("strata: nothing to train on: the data set is empty");
  if (options.validation && options.validation->size() == 0)
    throw std::invalid_argument("strata: nothing to validate on: the data set is empty");
  const auto keeper = detail::keeper_of(trainer, data, steps, detail::loss_name<Loss>(), options);
  detail::LearnerOf<Training_, Data> learner(trainer, batches, options);
  try {
    return detail::run_epochs(learner, steps, keeper.get(), loop);
  } catch (const NotFiniteError& e) {
    if (keeper) keeper->set_aside(e.update());
    throw;
  }
}

}  // namespace strata
