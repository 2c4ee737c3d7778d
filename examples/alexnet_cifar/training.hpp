// SPDX-License-Identifier: BSL-1.0
// Training, evaluation and profiling, for every backend.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/data/gzip.hpp>
#include <strata/strata.hpp>

#include "../common/run_facts.hpp"
#include "../common/signals.hpp"
#include "arguments.hpp"
#include "network.hpp"
#include "outputs.hpp"

namespace alexnet_cifar {
using namespace strata;
namespace fs = std::filesystem;

// Calls f.operator()<Net>() with the network that has this dropout rate.
template <int Classes, class F, std::size_t... I>
void with_network(double rate, F f, std::index_sequence<I...>) {
  ((dropout_rates[I] == rate ? f.template operator()<AlexNet<Classes, dropout_rates[I]>>() : void()), ...);
}
template <int Classes, class F>
void with_network(double rate, F f) {
  with_network<Classes>(rate, f, std::make_index_sequence<dropout_rates.size()>{});
}

template <class Names>
void print_confusion(const ConfusionTable& table, const Names& names) {
  if (table.classes() <= 20) {
    std::printf("\nTrue classes down, predictions across:\n%s", table.text(names).c_str());
    return;
  }
  // A hundred columns do not fit on a screen.
  std::vector<std::pair<int, int>> pairs;
  for (int t = 0; t < table.classes(); ++t)
    for (int p = 0; p < table.classes(); ++p)
      if (t != p) pairs.emplace_back(t, p);
  std::sort(pairs.begin(), pairs.end(), [&](auto x, auto y) {
    const std::int64_t m = table.at(x.first, x.second), n = table.at(y.first, y.second);
    return m != n ? m > n : x < y;
  });
  pairs.resize(10);
  std::printf("\nMost frequent confusions:\n");
  for (const auto& [t, p] : pairs)
    std::printf("%5lld %s for %s\n", static_cast<long long>(table.at(t, p)),
                std::string(names[static_cast<std::size_t>(t)]).c_str(),
                std::string(names[static_cast<std::size_t>(p)]).c_str());
}

// Prints the time of each layer, after a few steps to warm up.
template <class M, class Data, class Optimizer_>
void profile(M& model, const Data& training, const Optimizer_& optimizer, const TrainOptions<Data>& options) {
  constexpr int warm_up = 3, steps = 20;
  Trainer trainer(model, SoftmaxCrossEntropy{}, optimizer);
  Batches<Data> batches(training, {.batch = model.options().batch,
                                   .seed = model.options().seed,
                                   .augment = options.augment,
                                   .normalize = options.normalize});
  Profile profile;
  for (int step = 0, epoch = 0; step < warm_up + steps; ++epoch) {
    batches.start(static_cast<std::uint64_t>(epoch));
    for (const Batch* b; step < warm_up + steps && (b = batches.next()); ++step) {
      check_interrupted();
      if (step == warm_up) trainer.watch(&profile);
      trainer.step(b->images, b->targets);
    }
  }
  std::printf("%d steps of %d images\n%s%.0f images/s\n", steps, model.options().batch, profile.text().c_str(),
              static_cast<double>(profile.samples) / profile.seconds());
}

template <class Net, class Backend, class Data, class Names>
void run_network(const Arguments& a, const std::string& dataset, const Data& training, const Data& test,
                 const Names& names) {
  using M = Model<Net, Backend>;
  M model{{.batch = a.batch,
           .threads = a.threads,
           .seed = a.seed,
           .weights = initializer_of(a),
           .device = a.gpu,
           .autotune = a.autotune}};
  check_interrupted();
  if (!a.load.empty()) load_weights(model, a.load);

  Outputs outputs(a);
  TrainOptions<Data> options{.epochs = a.epochs,
                             .validation = test,
                             .max_steps = a.max_steps,
                             .stop = was_interrupted,
                             .on_epoch = [&](std::span<const EpochRecord> history) { outputs.write(history); },
                             .resume = a.resume,
                             .clip_norm = a.clip_norm,
                             .patience = a.patience,
                             .processes = a.processes.make};
  if (a.standardize) options.normalize = normalize_for(training);  // nvcc 13.0 crashes on this within the braces
  const auto metadata = metadata_of(data_info<Data>(options.normalize));
  if (!a.checkpoint.empty())
    options.checkpoint = Checkpoints{.directory = a.checkpoint, .every = a.checkpoint_every, .metadata = metadata};
  if (a.ema > 0) options.average = EMA{.decay = a.ema};
  if (a.augment) {
    options.augment = Augment{.horizontal_flip = true, .pad_crop = a.pad_crop};
    if (a.pad_crop == 0) options.augment.width_shift = options.augment.height_shift = 0.1;
    if (a.erase > 0) options.augment.transforms.push_back(RandomErasing{.probability = a.erase});
  }
  const std::size_t batch = static_cast<std::size_t>(a.batch), steps = (training.size() + batch - 1) / batch;
  std::vector<EpochRecord> history;
  std::string recipe;
  with_optimizer(a, schedule_of(a, static_cast<std::int64_t>(steps)), [&](const auto& optimizer) {
    std::printf("%lld parameters, %.0f MiB, %s\n%s\n", static_cast<long long>(Net::parameters),
                static_cast<double>(M::plan(a.batch, model.engine().threads(), optimizer.slot_count()).total()) / 1048576,
                hardware(model).c_str(), optimizer.describe().c_str());
    recipe = optimizer.describe();
    if (a.profile) return profile(model, training, optimizer, options);
    history = train(model, training, SoftmaxCrossEntropy{.label_smoothing = a.label_smoothing}, optimizer, options);
  });
  check_interrupted();
  if (a.profile) return;
  outputs.write(history);

  const auto [e, evaluated_per_second] = timed_evaluation(model, test, SoftmaxCrossEntropy{},
                                                          {.normalize = options.normalize,
                                                           .stop = was_interrupted,
                                                           .mistakes = a.report.empty() ? 0U : 40U,
                                                           .views = a.views ? mirror_and_shift() : std::vector<View>{},
                                                           .processes = a.processes.make});
  check_interrupted();
  // After --max-steps, this may be the first loss since the last update.
  if (!std::isfinite(e.loss))
    throw std::runtime_error("the test loss is NaN or infinite; neither weights nor a report are written");
  print_confusion(e.confusion, names);
  if (!history.empty() && history.back().seconds > 0)
    std::printf("\ntraining: %.0f images/s in the last epoch",
                static_cast<double>(history.back().samples) / history.back().seconds);
  std::printf("\ntest loss %.4f, test accuracy %.4f, %.0f images/s\n", e.loss, e.accuracy, evaluated_per_second);
  if (!a.save.empty()) {
    save_weights(model, a.save, metadata);
    std::printf("weights saved to %s\n", a.save.c_str());
  }
  outputs.write_filters(filter_images(model), history.empty() ? 0 : history.back().step);
  if (!a.report.empty())
    outputs.write(make_report(model, test, history, e, names), dataset, recipe, hardware(model), evaluated_per_second);
}

template <class Data, class Backend, class Load, class Names>
void run(const Arguments& a, const std::string& dataset, Load load, const Names& names) {
  const auto part = [&](bool training) {
    const Data data = load(training);
    check_interrupted();
    return a.images == 0 ? data : data.subset(0, std::min(data.size(), static_cast<std::size_t>(a.images)));
  };
  const Data training = part(true), test = part(false);
  std::printf("%zu training and %zu test images\n", training.size(), test.size());
  with_network<Data::classes>(a.dropout,
                              [&]<class Net>() { run_network<Net, Backend>(a, dataset, training, test, names); });
}

template <class Data, class Backend>
void run_cifar(const Arguments& a, const fs::path& folder) {
  run<Data, Backend>(
      a, std::string(Data::name), [&](bool training) { return training ? Data::train(folder) : Data::test(folder); },
      Data::class_names);
}

template <class Backend>
void run_fashion(const Arguments& a, const fs::path& folder) {
  const char* suffix = fs::exists(folder / "train-images-idx3-ubyte") ? "" : ".gz";
  const auto load = [&](bool training) {
    return PaddedRgb<FashionMnist>(training ? FashionMnist::train(folder, read_gzip_file, suffix)
                                            : FashionMnist::test(folder, read_gzip_file, suffix));
  };
  run<PaddedRgb<FashionMnist>, Backend>(a, "fashion-mnist", load, FashionMnist::class_names);
}

// dataset: the name that find_source() gives.
template <class Backend>
void train_on(const Arguments& a, const std::string& dataset, const fs::path& folder) {
  if (dataset == "cifar100") return run_cifar<Cifar100<Fine>, Backend>(a, folder);
  if (dataset == "cifar10") return run_cifar<Cifar10, Backend>(a, folder);
  run_fashion<Backend>(a, folder);
}

}  // namespace alexnet_cifar
