// SPDX-License-Identifier: BSL-1.0
// The command line of alexnet_cifar.
#pragma once
#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <utility>

#include <strata/data/download.hpp>

#include "../common/options.hpp"
#include "arguments.hpp"

namespace detail {

inline void check_together(const CLI::App& app, const Arguments& a) {
  const auto only = [&](const char* option, bool fits, const char* with) { only_with(app, option, fits, with); };
  only("--momentum", a.optimizer == "sgd", "--optimizer sgd");
  only("--nesterov", a.optimizer == "sgd", "--optimizer sgd");
  only("--decay", a.schedule == "inverse-time", "--schedule inverse-time");
  only("--step-factor", a.schedule == "step", "--schedule step");
  only("--step-every", a.schedule == "step", "--schedule step");
  only("--warm-up", a.schedule != "one-cycle", "--schedule constant, inverse-time, step and cosine");
  only("--checkpoint-every", !a.checkpoint.empty(), "runs with --checkpoint");
  only("--resume", !a.checkpoint.empty(), "runs with --checkpoint");
  only("--initializer", a.load.empty(), "runs without --load");
  only("--pad-crop", a.augment, "runs with --augment");
  only("--precision", a.device == "cuda", "--device cuda");
  only("--autotune", a.device == "cuda", "--device cuda");
  only("--threads", a.device == "cpu", "--device cpu");
  only("--mirror", a.data.empty(), "runs without --data");
  const std::pair<const char*, const std::string&> files[] = {
      {"--save", a.save}, {"--report", a.report}, {"--metrics", a.metrics}};
  for (const auto& [option, file] : files)
    for (const auto& [other, same] : files)
      if (!file.empty() && file == same && option != other)
        throw CLI::ValidationError(option, "would write over " + std::string(other));
  for (const char* option : {"--save", "--checkpoint", "--checkpoint-every", "--resume", "--report", "--metrics",
                             "--tensorboard", "--patience", "--clip-norm"})
    only(option, !a.profile && !a.describe, "runs that train");
}

}  // namespace detail

// Returns -1, or the exit code where the program is to end: 0 after --help, 2 for options that are wrong.
inline int parse(int argc, char** argv, Arguments& a) {
  a.mirror = strata::DownloadOptions{}.base;
  std::string device = "cpu";
  CLI::App app{"AlexNet for 32x32 images, trained on the CPU or a GPU"};
  app.get_formatter()->column_width(32);
  const auto positive = CLI::Range(1, 1000000000);
  const auto whole = CLI::Range(0, 1000000000);
  app.add_option("--dataset", a.dataset, "cifar10, cifar100 or fashion-mnist (default: cifar10)")
      ->check(CLI::IsMember({"cifar10", "cifar100", "fashion-mnist"}));
  app.add_option("--data", a.data,
                 "folder with cifar-10-batches-bin/ and/or cifar-100-binary/, or their .bin files; without it, a cached "
                 "copy, or the official archive is fetched")
      ->check(CLI::ExistingDirectory);
  app.add_option("--mirror", a.mirror, "fetch the archive from this address")->capture_default_str();
  app.add_option("--images", a.images, "take the first so many images of each set alone; 0: all")->check(whole);
  app.add_option("--epochs", a.epochs, "passes over the training images")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  app.add_option("--max-steps", a.max_steps, "end after so many steps of the whole run; 0: no limit")->check(whole);
  app.add_option("--batch", a.batch, "images a step")->check(CLI::Range(1, 65536))->capture_default_str();
  app.add_option("--optimizer", a.optimizer)->check(CLI::IsMember({"sgd", "adam", "adamw"}))->capture_default_str();
  auto* rate = app.add_option("--learning-rate", a.learning_rate, "default: 0.01, of adam and adamw 0.001");
  app.add_option("--momentum", a.momentum, "of sgd")->capture_default_str();
  app.add_flag("--nesterov", a.nesterov, "Nesterov's momentum, of sgd");
  app.add_option("--weight-decay", a.weight_decay, "of adamw decoupled, else L2 through the gradient")
      ->capture_default_str();
  app.add_option("--clip-norm", a.clip_norm, "scale gradients with a larger norm down to it; 0: none")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--patience", a.patience, "end after so many epochs without a better test accuracy; 0: do not")
      ->check(whole)
      ->capture_default_str();
  app.add_option("--schedule", a.schedule, "of the learning rate")
      ->check(CLI::IsMember({"constant", "inverse-time", "step", "cosine", "one-cycle"}))
      ->capture_default_str();
  app.add_option("--decay", a.decay, "of inverse-time: rate / (1 + decay x updates)")->capture_default_str();
  app.add_option("--step-factor", a.step_factor, "of step: what the rate is multiplied with")->capture_default_str();
  app.add_option("--step-every", a.step_every, "of step: after so many epochs")->check(positive)->capture_default_str();
  app.add_option("--warm-up", a.warm_up, "updates over which the rate rises from 0 before the schedule")->check(whole);
  app.add_option("--dropout", a.dropout, "share of the two hidden dense layers that is dropped")
      ->check(CLI::IsMember(dropout_rates))
      ->capture_default_str();
  app.add_option("--initializer", a.initializer, "of weights; biases begin at 0")
      ->check(CLI::IsMember({"glorot-uniform", "glorot-normal", "he-uniform", "he-normal"}))
      ->capture_default_str();
  app.add_flag("--standardize", a.standardize,
               "bring each channel to mean 0 and stddev 1 over the training images, instead of pixels to [0, 1]; "
               "with --load as the weights were trained");
  app.add_flag("--augment,!--no-augment", a.augment, "shift by up to a tenth and flip (default), or not");
  app.add_option("--pad-crop", a.pad_crop,
                 "instead of the shift: zeros around, so many pixels wide, and a window of 32x32 anywhere in that")
      ->check(CLI::Range(1, 32));
  app.add_option("--seed", a.seed, "of weights, order, dropout and augmentation")
      ->check(unsigned_64_bits())
      ->capture_default_str();
  app.add_option("--threads", a.threads, "0: all cores")->check(CLI::Range(0, 1024))->capture_default_str();
  app.add_option("--device", device, "cpu, cuda, or cuda:N for the GPU with that number")
      ->check(names_a_device())
      ->capture_default_str();
  app.add_option("--precision", a.precision, "of cuda: what products are computed in")
      ->check(CLI::IsMember({"tf32", "float32", "bf16"}))
      ->capture_default_str();
  app.add_flag("--autotune", a.autotune, "of cuda: try the ways to compute each convolution first");
  app.add_option("--save", a.save, "write the weights to this safetensors file at the end")->check(not_empty());
  app.add_option("--load", a.load, "begin with the weights of this file")->check(CLI::ExistingFile);
  app.add_option("--checkpoint", a.checkpoint,
                 "keep the newest three checkpoints and the best weights in this folder: one after each epoch, and where "
                 "the run ends or is stopped")
      ->check(not_empty());
  app.add_option("--checkpoint-every", a.checkpoint_every, "and one after so many steps each")->check(positive);
  app.add_flag("--resume", a.resume, "go on from the newest checkpoint; from the start where there is none");
  app.add_option("--report", a.report, "write a report of the run to this HTML file at the end")->check(not_empty());
  app.add_option("--metrics", a.metrics, "write the figures of all epochs to this .csv or .jsonl file, after each")
      ->check(not_empty());
  app.add_option("--tensorboard", a.tensorboard, "write TensorBoard's event files into this folder")->check(not_empty());
  app.add_flag("--describe", a.describe, "print the network and end");
  app.add_flag("--profile", a.profile, "time some training steps layer by layer and end");
  try {
    app.parse(argc, argv);
    a.device = gpu_of(device) < 0 ? "cpu" : "cuda";
    a.gpu = std::max(gpu_of(device), 0);
    detail::check_together(app, a);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  a.command = command_line(argc, argv);
  if (rate->count() == 0 && a.optimizer != "sgd") a.learning_rate = 0.001;
  return -1;
}
