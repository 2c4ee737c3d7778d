// SPDX-License-Identifier: BSL-1.0
// Trains a network by a recipe. Included by the few files that compile networks; nvcc compiles them for a GPU.
#pragma once
#include <span>
#include <type_traits>

#ifdef __CUDACC__
#include <strata/cuda.hpp>
#endif

#include "experiment.hpp"

#ifdef __CUDACC__
#define NOTES_TRAIN train_on_gpu
#else
#define NOTES_TRAIN train_on_cpu
#endif

namespace notes {

#ifdef __CUDACC__
using Device = Cuda;
#else
using Device = Cpu;
#endif

template <class Net, class Optimizer_, class Loss>
Outcome NOTES_TRAIN(const Recipe& recipe, const Job& job) {
  constexpr bool ten = Net::output.channels == 10;
  using Data = std::conditional_t<ten, Cifar10, Cifar100<Fine>>;
  const Sets<Data>& sets = [&]() -> const auto& {
    if constexpr (ten)
      return *job.cifar10;
    else
      return *job.cifar100;
  }();
  Model<Net, Device> model{{.batch = recipe.batch,
                            .threads = job.threads,
                            .seed = job.seed,
                            .weights = recipe.weights,
                            .biases = recipe.biases,
                            .tensors = recipe.tensors,
                            .device = job.gpu}};
  const auto batch = static_cast<std::size_t>(recipe.batch), steps = (sets.training.size() + batch - 1) / batch;
  const auto updates = static_cast<std::int64_t>(steps) * job.epochs;
  Normalize normalize;
  if (recipe.inputs == Inputs::bytes) normalize.deviation.assign(3, 1 / 255.f);
  if (recipe.inputs == Inputs::standardized) normalize = normalize_for(sets.training);
  TrainOptions<Data> options{.epochs = job.epochs,
                             .validation = sets.test,
                             .augment = recipe.augment,
                             .normalize = normalize,
                             .max_steps = job.max_steps,
                             .stop = job.stop,
                             .checkpoint = job.checkpoint,
                             .resume = job.resume};
  Outcome outcome;
  // For a run that diverges later; one that is resumed after its last epoch has none to tell of.
  options.on_epoch = [&](std::span<const EpochRecord> history) { outcome.history.assign(history.begin(), history.end()); };
  try {
    outcome.history = train(model, sets.training, Loss{}, optimizer_of<Optimizer_>(recipe, updates), options);
  } catch (const NotFiniteError& e) {
    outcome.complete = true;
    outcome.diverged = e.what();
    return outcome;
  }
  outcome.complete = static_cast<int>(outcome.history.size()) == job.epochs && !outcome.history.empty() &&
                     outcome.history.back().validation_accuracy.has_value();
  if (outcome.complete)
    outcome.dropout_on = evaluate(model, sets.test, Loss{}, {.normalize = normalize, .dropout = true, .stop = job.stop});
  if (job.stop && job.stop()) outcome.complete = false;
  return outcome;
}

}  // namespace notes
