// SPDX-License-Identifier: BSL-1.0
// Trains a network by a recipe. Only the files that compile networks include this; nvcc compiles them for a GPU.
#pragma once
#include <cmath>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#ifdef __CUDACC__
#include <strata/cuda.hpp>
#endif

#include <strata/report/report.hpp>

#include "../common/run_facts.hpp"
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

// Writes weights and report if the job names files for them.
template <class M, class Data, class Loss>
void write_outputs(M& model, const Data& test, Loss loss, const Normalize& normalize,
                   const std::map<std::string, std::string>& metadata, const std::vector<EpochRecord>& history,
                   const Job& job) {
  if (job.save.empty() && job.report.empty()) return;
  const auto [e, per_second] =
      timed_evaluation(model, test, loss, {.normalize = normalize, .stop = job.stop, .mistakes = 40});
  if (job.stop && job.stop()) return;
  // After --max-steps, this may be the first loss since the last update.
  if (!std::isfinite(e.loss)) {
    std::printf("%s: the test loss is NaN or infinite; neither weights nor a report are written\n", job.title.c_str());
    return;
  }
  if (!job.save.empty()) save_weights(model, job.save, metadata);
  if (job.report.empty()) return;
  Report report = make_report(model, test, history, e, Data::class_names);
  report.title = job.title;
  report.settings.emplace_back("experiment", job.what);
  report.settings.emplace_back("recipe", job.recipe);
  add_run_facts(report, job.command, hardware(model), per_second);
  write_report(job.report, report);
}

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
  if (recipe.inputs == Inputs::bytes) normalize.stddev.assign(3, 1 / 255.f);
  if (recipe.inputs == Inputs::standardized) normalize = normalize_for(sets.training);
  const auto metadata = metadata_of(data_info<Data>(normalize));
  TrainOptions<Data> options{.epochs = job.epochs,
                             .validation = sets.test,
                             .augment = recipe.augment,
                             .normalize = normalize,
                             .max_steps = job.max_steps,
                             .stop = job.stop,
                             .resume = job.resume};
  if (!job.checkpoints.empty())
    options.checkpoint =
        Checkpoints{.directory = job.checkpoints, .every = job.checkpoint_every, .keep = 2, .metadata = metadata};
  Outcome outcome;
  // train() throws if a run diverges, so keep the history here.
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
  const auto stopped = [&] { return job.stop && job.stop(); };
  if (outcome.complete && !stopped())
    outcome.dropout_on = evaluate(model, sets.test, Loss{}, {.normalize = normalize, .dropout = true, .stop = job.stop});
  if (!stopped()) write_outputs(model, sets.test, Loss{}, normalize, metadata, outcome.history, job);
  if (stopped()) outcome.complete = false;
  return outcome;
}

// Explicit instantiations of this compile the training of some networks.
template <class Optimizer_, class Loss, class... Nets>
struct Compiled {
  static constexpr Outcome (*train[])(const Recipe&, const Job&) = {&NOTES_TRAIN<Nets, Optimizer_, Loss>...};
};

}  // namespace notes
