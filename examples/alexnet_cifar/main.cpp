// SPDX-License-Identifier: BSL-1.0
// Trains AlexNet for 32x32 images on CIFAR-10, CIFAR-100 or Fashion-MNIST. --help lists the options.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/data/download.hpp>
#include <strata/data/gzip.hpp>
#include <strata/strata.hpp>

#include "../common/signals.hpp"
#include "../common/sources.hpp"
#include "arguments.hpp"
#include "network.hpp"
#include "outputs.hpp"

using namespace strata;
namespace fs = std::filesystem;

namespace {

// Calls f.operator()<Net>() with the network of that rate of dropout.
template <int Classes, class F, std::size_t... I>
void with_network(double rate, F f, std::index_sequence<I...>) {
  ((dropout_rates[I] == rate ? f.template operator()<AlexNet<Classes, dropout_rates[I]>>() : void()), ...);
}
template <int Classes, class F>
void with_network(double rate, F f) {
  with_network<Classes>(rate, f, std::make_index_sequence<dropout_rates.size()>{});
}

// Throws std::invalid_argument for numbers that no recipe has.
void check_recipe(const Arguments& a) {
  with_optimizer(a, a.learning_rate, [](const auto& optimizer) { optimizer.validate(); });
  schedule_of(a, 1'000'000).validate();
}

// What can be wrong is told before an hour of training, not after.
void check(const Arguments& a) {
  if (!a.load.empty()) SafetensorsFile{a.load};
  check_outputs(a);
}

template <class Names>
void print_confusion(const ConfusionTable& table, const Names& names) {
  if (table.classes() <= 20) {
    std::printf("\nTrue classes down, predictions across:\n%s", table.text(names).c_str());
    return;
  }
  // A hundred columns fit no screen.
  std::vector<std::pair<int, int>> pairs;
  for (int t = 0; t < table.classes(); ++t)
    for (int p = 0; p < table.classes(); ++p)
      if (t != p) pairs.emplace_back(t, p);
  std::sort(pairs.begin(), pairs.end(), [&](auto x, auto y) {
    const std::int64_t m = table.at(x.first, x.second), n = table.at(y.first, y.second);
    return m != n ? m > n : x < y;
  });
  pairs.resize(10);
  std::printf("\nTaken most often for another:\n");
  for (const auto& [t, p] : pairs)
    std::printf("%5lld %s for %s\n", static_cast<long long>(table.at(t, p)),
                std::string(names[static_cast<std::size_t>(t)]).c_str(),
                std::string(names[static_cast<std::size_t>(p)]).c_str());
}

// A few steps to warm up, then what each layer takes.
template <class Net, class Data, class Optimizer_>
void profile(Model<Net>& model, const Data& training, const Optimizer_& optimizer, const Augment& augment) {
  constexpr int warm_up = 3, steps = 20;
  Trainer trainer(model, SoftmaxCrossEntropy{}, optimizer);
  Batches<Data> batches(training, {.batch = model.options().batch, .seed = model.options().seed, .augment = augment});
  Profile profile;
  for (int step = 0, epoch = 0; step < warm_up + steps; ++epoch) {
    batches.start(static_cast<std::uint64_t>(epoch));
    for (const Batch* b; step < warm_up + steps && (b = batches.next()); ++step) {
      check_interrupted();
      if (step == warm_up) trainer.watch(&profile);
      trainer.step(b->images, b->labels);
    }
  }
  std::printf("%d steps of %d images\n%s%.0f images/s\n", steps, model.options().batch, profile.text().c_str(),
              static_cast<double>(profile.samples) / profile.seconds());
}

template <class Net, class Data, class Names>
void run_network(const Arguments& a, const std::string& dataset, const Data& training, const Data& test,
                 const Names& names) {
  Model<Net> model{{.batch = a.batch, .threads = a.threads, .seed = a.seed}};
  check_interrupted();
  if (!a.load.empty()) load_weights(model, a.load);

  Outputs outputs(a);
  TrainOptions<Data> options{.epochs = a.epochs,
                             .validation = test,
                             .max_steps = a.max_steps,
                             .stop = was_interrupted,
                             .on_epoch = [&](std::span<const EpochRecord> history) { outputs.write(history); },
                             .resume = a.resume};
  const auto metadata = metadata_of(data_info<Data>(options.normalize));
  if (!a.checkpoint.empty())
    options.checkpoint = Checkpoints{.directory = a.checkpoint, .every = a.checkpoint_every, .metadata = metadata};
  const double shift = a.pad_crop > 0 ? 0 : 0.1;
  if (a.augment)
    options.augment = {.width_shift = shift, .height_shift = shift, .horizontal_flip = true, .pad_crop = a.pad_crop};
  const std::size_t batch = static_cast<std::size_t>(a.batch), steps = (training.size() + batch - 1) / batch;
  std::vector<EpochRecord> history;
  std::string recipe;
  with_optimizer(a, schedule_of(a, static_cast<std::int64_t>(steps)), [&](const auto& optimizer) {
    std::printf("%lld parameters, %.0f MiB, %d threads, kernels: %s\n%s\n", static_cast<long long>(Net::parameters),
                static_cast<double>(Model<Net>::plan(a.batch, model.pool().size(), optimizer.slots).total()) / 1048576,
                model.pool().size(), eigen::kernel_path(), optimizer.describe().c_str());
    recipe = optimizer.describe();
    if (a.profile) return profile(model, training, optimizer, options.augment);
    history = train(model, training, SoftmaxCrossEntropy{}, optimizer, options);
  });
  check_interrupted();
  if (a.profile) return;
  outputs.write(history);

  const auto begin = std::chrono::steady_clock::now();
  const Evaluation e =
      evaluate(model, test, SoftmaxCrossEntropy{}, {.stop = was_interrupted, .mistakes = a.report.empty() ? 0U : 40U});
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  check_interrupted();
  print_confusion(e.confusion, names);
  if (!history.empty() && history.back().seconds > 0)
    std::printf("\ntraining: %.0f images/s in the last epoch",
                static_cast<double>(history.back().samples) / history.back().seconds);
  std::printf("\ntest loss %.4f, test accuracy %.4f, %.0f images/s\n", e.loss, e.accuracy,
              static_cast<double>(test.size()) / seconds);
  if (!a.save.empty()) {
    save_weights(model, a.save, metadata);
    std::printf("weights saved to %s\n", a.save.c_str());
  }
  outputs.write_filters(filter_pictures(model), history.empty() ? 0 : history.back().step);
  if (!a.report.empty())
    outputs.write(make_report(model, test, history, e, names), dataset, recipe, model.pool().size(),
                  static_cast<double>(test.size()) / seconds);
}

template <class Data, class Load, class Names>
void run(const Arguments& a, const std::string& dataset, Load load, const Names& names) {
  const auto part = [&](bool training) {
    const Data data = load(training);
    check_interrupted();
    return a.images == 0 ? data : data.subset(0, std::min(data.size(), static_cast<std::size_t>(a.images)));
  };
  const Data training = part(true), test = part(false);
  std::printf("%zu training and %zu test images\n", training.size(), test.size());
  with_network<Data::classes>(a.dropout, [&]<class Net>() { run_network<Net>(a, dataset, training, test, names); });
}

template <class Data>
void run_cifar(const Arguments& a, const fs::path& folder) {
  run<Data>(
      a, std::string(Data::name), [&](bool training) { return training ? Data::train(folder) : Data::test(folder); },
      Data::class_names);
}

void run_fashion(const Arguments& a, const fs::path& folder) {
  const char* suffix = fs::exists(folder / "train-images-idx3-ubyte") ? "" : ".gz";
  const auto load = [&](bool training) {
    return PaddedRgb(training ? FashionMnist::train(folder, read_gzip_file, suffix)
                              : FashionMnist::test(folder, read_gzip_file, suffix));
  };
  run<PaddedRgb<FashionMnist>>(a, "fashion-mnist", load, FashionMnist::class_names);
}

void describe(const Arguments& a) {
  const auto print = []<class Net>() { std::printf("%s", std::string(summary<Net>()).c_str()); };
  a.dataset == "cifar100" ? with_network<100>(a.dropout, print) : with_network<10>(a.dropout, print);
}

void start(const Arguments& a) {
  if (a.describe) return describe(a);
  check(a);
  const Source source = find_source(a.dataset, a.data, a.mirror);
  std::printf("%s from %s\n", source.dataset.c_str(), source.folder.c_str());
  if (source.dataset == "cifar100") return run_cifar<Cifar100<Fine>>(a, source.folder);
  if (source.dataset == "cifar10") return run_cifar<Cifar10>(a, source.folder);
  run_fashion(a, source.folder);
}

}  // namespace

// 0: done; 1: it failed; 2: wrong options; 130: Ctrl-C.
int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // a pipe gets each line when it is there
  Arguments a;
  if (const int code = parse(argc, argv, a); code >= 0) return code;
  try {
    check_recipe(a);
  } catch (const std::invalid_argument& e) {
    std::fprintf(stderr, "%s\nRun with --help for more information.\n", e.what());
    return 2;
  }
  watch_signals();
  try {
    start(a);
    return 0;
  } catch (const Interrupted&) {
    if (a.checkpoint.empty())
      std::fprintf(stderr, "alexnet_cifar: stopped by a signal; nothing was saved\n");
    else
      std::fprintf(stderr, "alexnet_cifar: stopped by a signal; --resume goes on from the newest checkpoint in %s\n",
                   a.checkpoint.c_str());
    return 130;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "alexnet_cifar: not enough memory; try a smaller --batch\n");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "alexnet_cifar: %s\n", e.what());
  }
  return 1;
}
