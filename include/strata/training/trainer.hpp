// SPDX-License-Identifier: BSL-1.0
// Training: one step, for loops of your own, and the whole loop as Keras' fit.
#pragma once
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include <strata/backend/eigen/losses.hpp>
#include <strata/backend/eigen/optimizers.hpp>
#include <strata/core/diagnose.hpp>
#include <strata/data/batches.hpp>
#include <strata/data/dataset.hpp>
#include <strata/model/model.hpp>
#include <strata/training/metrics.hpp>
#include <strata/training/optimizers.hpp>
#include <strata/training/progress.hpp>

namespace strata {

// Sums over the samples of a step; divide by `samples` for the means.
struct StepResult {
  double loss = 0;
  std::int64_t correct = 0;
  int samples = 0;
};

namespace detail {

// gradient may be null. Unchecked<Loss> computes what Loss computes.
template <class T, class Loss>
void run_loss(Loss, int batch, int classes, const T* x, const int* labels, T* loss, T* gradient, ThreadPool& pool) {
  if constexpr (std::is_base_of_v<SoftmaxCrossEntropy, Loss>)
    eigen::softmax_cross_entropy(batch, classes, x, labels, loss, gradient, pool);
  else if constexpr (std::is_base_of_v<NegativeLogLikelihood, Loss>)
    eigen::negative_log_likelihood(batch, classes, x, labels, loss, gradient, pool);
  else if constexpr (std::is_base_of_v<CrossEntropy, Loss>)
    eigen::cross_entropy(batch, classes, x, labels, loss, gradient, pool);
  else if constexpr (std::is_base_of_v<MeanSquaredError, Loss>)
    eigen::mean_squared_error(batch, classes, x, labels, loss, gradient, pool);
  else if constexpr (std::is_base_of_v<SigmoidCrossEntropy, Loss>)
    eigen::sigmoid_cross_entropy(batch, classes, x, labels, loss, gradient, pool);
  else
    static_assert(sizeof(Loss) == 0, "strata: this backend has no kernel for the loss");
}

template <class T>
int largest_of(const T* x, int n) {
  int best = 0;
  for (int i = 1; i < n; ++i)
    if (x[i] > x[best]) best = i;
  return best;
}

// In sample order, whatever the threads did.
template <class T>
StepResult count(std::span<const T> outputs, std::span<const int> labels, const std::vector<T>& losses, int classes) {
  StepResult r;
  r.samples = static_cast<int>(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    r.loss += static_cast<double>(losses[i]);
    r.correct += largest_of(outputs.data() + i * static_cast<std::size_t>(classes), classes) == labels[i];
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

// A model, a loss and an optimizer with its memory. A step allocates nothing.
template <class M, class Loss, class Optimizer_>
class Trainer {
 public:
  using T = typename M::T;
  using Net = typename M::network;
  static constexpr int classes = static_cast<int>(Net::output.size());

  // The model must outlive the trainer. Throws std::invalid_argument for rates that cannot be meant.
  Trainer(M& model, Loss, Optimizer_ optimizer)
      : model_(model), optimizer_(std::move(optimizer)), losses_(static_cast<std::size_t>(model.options().batch)) {
    optimizer_.validate();
    const std::size_t bytes =
        static_cast<std::size_t>(detail::aligned(Net::parameters * static_cast<std::int64_t>(sizeof(T))));
    moments_.assign(static_cast<std::size_t>(Optimizer_::slots) * bytes / sizeof(T), T{0});
    slot_ = bytes / sizeof(T);
  }

  // images (N,H,W,C), labels (N): forward, backward, update.
  StepResult step(std::span<const T> images, std::span<const int> labels) {
    const std::span<const T> outputs = model_.forward(images, true, static_cast<std::uint64_t>(updates_));
    const int n = static_cast<int>(outputs.size()) / classes;
    detail::check_labels(labels, static_cast<std::size_t>(n), classes);
    detail::run_loss(Loss{}, n, classes, outputs.data(), labels.data(), losses_.data(), model_.output_gradient(),
                     model_.pool());
    const StepResult result = detail::count(outputs, labels, losses_, classes);
    model_.backward();
    update();
    return result;
  }

  // Without learning, and with dropout off.
  StepResult evaluate(std::span<const T> images, std::span<const int> labels, ConfusionTable* confusion = nullptr) {
    const std::span<const T> outputs = model_.predict(images);
    const int n = static_cast<int>(outputs.size()) / classes;
    detail::check_labels(labels, static_cast<std::size_t>(n), classes);
    detail::run_loss(Loss{}, n, classes, outputs.data(), labels.data(), losses_.data(), static_cast<T*>(nullptr),
                     model_.pool());
    if (confusion)
      for (int i = 0; i < n; ++i)
        confusion->add(labels[static_cast<std::size_t>(i)], detail::largest_of(outputs.data() + i * classes, classes));
    return detail::count(outputs, labels, losses_, classes);
  }

  [[nodiscard]] std::int64_t updates() const { return updates_; }
  [[nodiscard]] const Optimizer_& optimizer() const { return optimizer_; }

 private:
  void update() {
    const T rate = static_cast<T>(optimizer_.rate(updates_++));
    const auto n = static_cast<std::int64_t>(Net::parameters);
    T* w = model_.parameters().data();
    const T* g = model_.gradients().data();
    if constexpr (std::is_same_v<Optimizer_, SGD>) {
      eigen::sgd_update(n, rate, static_cast<T>(optimizer_.momentum), optimizer_.nesterov,
                        static_cast<T>(optimizer_.weight_decay), w, g, moments_.data(), model_.pool());
    } else {
      eigen::adam_update(n, rate, static_cast<T>(optimizer_.beta1), static_cast<T>(optimizer_.beta2),
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
};

struct Evaluation {
  double loss = 0, accuracy = 0;
  ConfusionTable confusion;
};

struct EpochRecord {
  int epoch = 0;  // from 1
  double loss = 0, accuracy = 0;
  std::optional<double> validation_loss, validation_accuracy;
  double seconds = 0;  // of the training steps, input included
};

template <class Data>
struct TrainOptions {
  int epochs = 1;
  std::optional<std::type_identity_t<Data>> validation{};
  Augment augment{};      // of the training images alone
  Normalize normalize{};  // of both
  bool verbose = true;    // progress on stdout, as Keras prints it
  // Asked after each step; true ends training after it (Ctrl-C, a budget).
  std::function<bool()> stop{};
};

namespace detail {

// Keeps nothing and never runs: for a trainer that only evaluates.
struct NoOptimizer {
  static constexpr int slots = 0;
  void validate() const {}
};

template <class Trainer_, class Data>
Evaluation evaluate_with(Trainer_& trainer, const Data& data, int batch, const Normalize& normalize) {
  Evaluation e;
  e.confusion = ConfusionTable(Data::classes);
  Batches<Data> batches(data, {.batch = batch, .shuffle = false, .normalize = normalize});
  batches.start(0);
  double loss = 0;
  std::int64_t correct = 0, samples = 0;
  while (const auto* b = batches.next()) {
    const StepResult r = trainer.evaluate(b->images, b->labels, &e.confusion);
    loss += r.loss, correct += r.correct, samples += r.samples;
  }
  if (samples == 0) throw std::invalid_argument("strata: nothing to evaluate on: the data set is empty");
  e.loss = loss / static_cast<double>(samples);
  e.accuracy = static_cast<double>(correct) / static_cast<double>(samples);
  return e;
}

}  // namespace detail

// Loss and accuracy on a data set, dropout off.
template <class Net, class Backend, class Mode, Dataset Data, class Loss = SoftmaxCrossEntropy>
typename detail::checked<Evaluation, Net, Loss, Data>::result evaluate(Model<Net, Backend, Mode>& model, const Data& data,
                                                                       Loss loss = {}, const Normalize& normalize = {}) {
  Trainer<Model<Net, Backend, Mode>, Loss, detail::NoOptimizer> trainer(model, loss, {});
  return detail::evaluate_with(trainer, data, model.options().batch, normalize);
}

// Trains for some epochs and returns a record of each. Throws DataError for data that cannot be read, and
// std::runtime_error with the step where the loss stops being a number.
template <class Net, class Backend, Dataset Data, class Loss, Optimizer Optimizer_>
typename detail::checked<std::vector<EpochRecord>, Net, Loss, Data>::result train(Model<Net, Backend>& model,
                                                                                  const Data& data, Loss loss,
                                                                                  Optimizer_ optimizer,
                                                                                  const TrainOptions<Data>& options = {}) {
  Trainer<Model<Net, Backend>, Loss, Optimizer_> trainer(model, loss, std::move(optimizer));
  Batches<Data> batches(data, {.batch = model.options().batch,
                               .seed = model.options().seed,
                               .shuffle = true,
                               .augment = options.augment,
                               .normalize = options.normalize});
  if (batches.steps() == 0) throw std::invalid_argument("strata: nothing to train on: the data set is empty");
  std::vector<EpochRecord> history;
  bool stopped = false;
  for (int epoch = 1; epoch <= options.epochs && !stopped; ++epoch) {
    if (options.verbose) std::printf("Epoch %d/%d\n", epoch, options.epochs);
    Progress progress(options.verbose ? stdout : nullptr, static_cast<std::int64_t>(batches.steps()));
    const auto begin = std::chrono::steady_clock::now();
    batches.start(static_cast<std::uint64_t>(epoch - 1));
    EpochRecord record;
    record.epoch = epoch;
    std::int64_t correct = 0, samples = 0, step = 0;
    double sum = 0;
    while (const auto* b = batches.next()) {
      const StepResult r = trainer.step(b->images, b->labels);
      if (!std::isfinite(r.loss))
        throw std::runtime_error("strata: the loss is not a number at update " + std::to_string(trainer.updates()) +
                                 "; try a lower learning rate");
      sum += r.loss, correct += r.correct, samples += r.samples;
      record.loss = sum / static_cast<double>(samples);
      record.accuracy = static_cast<double>(correct) / static_cast<double>(samples);
      progress.update(++step, record.loss, record.accuracy);
      if (options.stop && options.stop()) {
        stopped = true;
        break;
      }
    }
    record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (options.validation && !stopped) {
      const Evaluation e = detail::evaluate_with(trainer, *options.validation, model.options().batch, options.normalize);
      record.validation_loss = e.loss;
      record.validation_accuracy = e.accuracy;
      progress.finish(record.loss, record.accuracy, e.loss, e.accuracy);
    } else {
      progress.finish(record.loss, record.accuracy);
    }
    history.push_back(record);
  }
  return history;
}

}  // namespace strata
