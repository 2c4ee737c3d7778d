// SPDX-License-Identifier: BSL-1.0
// Trains AlexNet for 32x32 images on CIFAR-10, CIFAR-100 or Fashion-MNIST. --help lists the options.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>

#include <strata/data/gzip.hpp>
#include <strata/strata.hpp>

using namespace strata;
namespace fs = std::filesystem;

namespace {

template <int Classes>
using AlexNet = Sequential<Input<32, 32, 3>,                              // height, width, channels
                           Conv<5, 96>, ReLU, MaxPool<3, 2>,              // 15x15x96
                           Conv<5, 256, Stride<2>>, ReLU, MaxPool<3, 2>,  // 3x3x256
                           Conv<3, 384>, ReLU,                            //
                           Conv<3, 384>, ReLU,                            //
                           Conv<3, 256>, ReLU, MaxPool<3, 2>,             // 1x1x256
                           Flatten,                                       //
                           Dense<4096>, ReLU, Dropout<0.5>,               //
                           Dense<4096>, ReLU, Dropout<0.5>,               //
                           Dense<Classes>>;

static_assert(AlexNet<10>::parameters == 21'594'506);

struct Arguments {
  std::string dataset, data, optimizer = "sgd", schedule = "inverse-time", save, load;
  int epochs = 20, batch = 64, threads = 0;
  double learning_rate = 0.01, momentum = 0.9, decay = 0.0005, weight_decay = 0;
  std::uint64_t seed = 1;
  bool augment = true, describe = false;
};

volatile std::sig_atomic_t interrupted = 0;

Schedule schedule_of(const Arguments& a, std::int64_t updates) {
  if (a.schedule == "constant") return Constant{a.learning_rate};
  if (a.schedule == "cosine") return Cosine{a.learning_rate, updates};
  if (a.schedule == "one-cycle") return OneCycle{a.learning_rate, updates};
  return InverseTimeDecay{a.learning_rate, a.decay};
}

// A path that cannot be written should be known before an hour of training, not after.
void check_writable(const std::string& file) {
  const fs::path folder = fs::absolute(file).parent_path();
  if (!fs::is_directory(folder)) throw std::runtime_error(file + ": there is no folder " + folder.string());
  if (access(folder.c_str(), W_OK) != 0) throw std::runtime_error(file + ": the folder cannot be written to");
}

template <int Classes, class Data>
int run(const Arguments& a, const Data& training, const Data& test) {
  using Net = AlexNet<Classes>;
  std::printf("%zu training and %zu test images, %s\n", training.size(), test.size(), std::string(Data::name).c_str());
  if (!a.save.empty()) check_writable(a.save);
  Model<Net> model{{.batch = a.batch, .threads = a.threads, .seed = a.seed}};
  std::printf("%lld parameters, %.0f MiB, %d threads, kernels: %s\n", static_cast<long long>(Net::parameters),
              static_cast<double>(Model<Net>::plan(a.batch, model.pool().size(), 1).total()) / 1048576, model.pool().size(),
              eigen::kernel_path());
  if (!a.load.empty()) load_weights(model, a.load);

  TrainOptions<Data> options{.epochs = a.epochs, .validation = test};
  if (a.augment) options.augment = {.width_shift = 0.1, .height_shift = 0.1, .horizontal_flip = true};
  options.stop = [] { return interrupted != 0; };
  const auto steps = static_cast<std::int64_t>((training.size() + static_cast<std::size_t>(a.batch) - 1) /
                                               static_cast<std::size_t>(a.batch));
  const Schedule rate = schedule_of(a, steps * std::max(a.epochs, 1));
  std::vector<EpochRecord> history;
  if (a.optimizer == "adam")
    history = train(model, training, SoftmaxCrossEntropy{}, Adam{.rate = rate, .weight_decay = a.weight_decay}, options);
  else if (a.optimizer == "adamw")
    history = train(model, training, SoftmaxCrossEntropy{}, AdamW{.rate = rate, .weight_decay = a.weight_decay}, options);
  else
    history = train(model, training, SoftmaxCrossEntropy{},
                    SGD{.rate = rate, .momentum = a.momentum, .weight_decay = a.weight_decay}, options);
  if (interrupted) {
    std::fprintf(stderr, "\nstopped by Ctrl-C; nothing was saved\n");
    return 130;
  }
  if (!history.empty())
    std::printf("training: %.0f images/s in the last epoch\n",
                static_cast<double>(training.size()) / history.back().seconds);

  const auto begin = std::chrono::steady_clock::now();
  const Evaluation e = evaluate(model, test);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if constexpr (Classes <= 20) {
    std::printf("\nTrue classes down, predictions across:\n%s", e.confusion.text({}).c_str());
  }
  std::printf("\ntest loss %.4f, test accuracy %.4f, %.0f images/s\n", e.loss, e.accuracy,
              static_cast<double>(test.size()) / seconds);
  if (!a.save.empty()) {
    save_weights(model, a.save);
    std::printf("weights saved to %s\n", a.save.c_str());
  }
  return 0;
}

int run_fashion(const Arguments& a, const fs::path& dir) {
  return run<10>(a, PaddedRgb(FashionMnist::train(dir, read_gzip_file, ".gz")),
                 PaddedRgb(FashionMnist::test(dir, read_gzip_file, ".gz")));
}

int choose(const Arguments& a) {
  const fs::path debian = "/usr/share/datasets/fashion-mnist";
  if (a.dataset.empty() && a.data.empty()) {
    if (!fs::exists(debian))
      throw std::runtime_error(
          "no data: give --data DIR with CIFAR-10's binary files (https://www.cs.toronto.edu/~kriz/cifar.html), "
          "or install the Debian package dataset-fashion-mnist");
    std::printf("No --data given: training on Fashion-MNIST from %s, padded to 32x32x3, not on CIFAR-10.\n",
                debian.c_str());
    return run_fashion(a, debian);
  }
  const std::string dataset = a.dataset.empty() ? "cifar10" : a.dataset;
  if (dataset == "fashion-mnist") return run_fashion(a, a.data.empty() ? debian : fs::path(a.data));
  if (a.data.empty())
    throw std::runtime_error(dataset +
                             " needs --data DIR: the binary version from https://www.cs.toronto.edu/~kriz/cifar.html");
  if (dataset == "cifar100") return run<100>(a, Cifar100<Fine>::train(a.data), Cifar100<Fine>::test(a.data));
  return run<10>(a, Cifar10::train(a.data), Cifar10::test(a.data));
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  CLI::App app{"AlexNet for 32x32 images, trained on the CPU"};
  app.add_option("--dataset", a.dataset, "cifar10, cifar100 or fashion-mnist")
      ->check(CLI::IsMember({"cifar10", "cifar100", "fashion-mnist"}));
  app.add_option("--data", a.data, "folder with cifar-10-batches-bin/ and/or cifar-100-binary/, or their .bin files");
  app.add_option("--epochs", a.epochs, "passes over the training images")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  app.add_option("--batch", a.batch, "images a step")->check(CLI::Range(1, 65536))->capture_default_str();
  app.add_option("--learning-rate", a.learning_rate)->check(CLI::NonNegativeNumber)->capture_default_str();
  app.add_option("--momentum", a.momentum, "of SGD")->capture_default_str();
  app.add_option("--decay", a.decay, "of the learning rate: rate / (1 + decay x updates)")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--weight-decay", a.weight_decay, "L2 on the weights")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--optimizer", a.optimizer)->check(CLI::IsMember({"sgd", "adam", "adamw"}))->capture_default_str();
  app.add_option("--schedule", a.schedule)
      ->check(CLI::IsMember({"constant", "inverse-time", "cosine", "one-cycle"}))
      ->capture_default_str();
  app.add_option("--seed", a.seed, "of weights, order, dropout and augmentation")->capture_default_str();
  app.add_option("--threads", a.threads, "0: all cores")->check(CLI::Range(0, 1024))->capture_default_str();
  app.add_flag("--augment,!--no-augment", a.augment, "shift by a tenth and flip; on unless --no-augment");
  app.add_option("--save", a.save, "write the weights to this safetensors file at the end");
  app.add_option("--load", a.load, "begin with the weights of this file");
  app.add_flag("--describe", a.describe, "print the network and end");
  CLI11_PARSE(app, argc, argv);
  try {
    if (a.describe) {
      const std::string_view text = a.dataset == "cifar100" ? summary<AlexNet<100>>() : summary<AlexNet<10>>();
      std::fwrite(text.data(), 1, text.size(), stdout);
      return 0;
    }
    std::signal(SIGINT, [](int) { interrupted = 1; });
    return choose(a);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "alexnet_cifar: %s\n", e.what());
    return 1;
  }
}
