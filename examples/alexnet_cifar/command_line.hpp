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
  only("--erase", a.augment, "runs with --augment");
  if (a.precision == "tf32" && a.device != "cuda") throw CLI::ValidationError("--precision tf32 is only for --device cuda");
  only("--autotune", a.device == "cuda", "--device cuda");
  only("--threads", a.device == "cpu", "--device cpu");
  only("--processes", !a.profile && !a.describe, "runs that train");
  if (a.processes.by == "mpi") only("--processes", a.device == "cpu", "--device cpu, if it is mpi; GPUs take nccl");
  if (a.processes.by == "nccl") only("--processes", a.device == "cuda", "--device cuda, if it is nccl");
  check_process_options(app, a.processes);
  only("--mirror", a.data.empty(), "runs without --data");
  const std::pair<const char*, const std::string&> files[] = {
      {"--save", a.save}, {"--report", a.report}, {"--metrics", a.metrics}};
  for (const auto& [option, file] : files)
    for (const auto& [other, same] : files)
      if (!file.empty() && file == same && option != other)
        throw CLI::ValidationError(option, "would write over " + std::string(other));
  for (const char* option : {"--save", "--checkpoint", "--checkpoint-every", "--resume", "--report", "--metrics",
                             "--tensorboard", "--patience", "--clip-norm", "--label-smoothing", "--ema", "--views"})
    only(option, !a.profile && !a.describe, "runs that train");
}

}  // namespace detail

// Returns -1 to continue, or the exit code: 0 after --help, 2 for wrong options.
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
                 "folder with cifar-10-batches-bin/ or cifar-100-binary/, or their .bin files; default: a cached copy, or "
                 "the official archive is downloaded")
      ->check(CLI::ExistingDirectory);
  app.add_option("--mirror", a.mirror, "download the archive from this address")->capture_default_str();
  app.add_option("--images", a.images, "use only the first N images of each set; 0: all")->check(whole);
  app.add_option("--epochs", a.epochs, "passes over the training images")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  app.add_option("--max-steps", a.max_steps, "end the run after N steps; 0: no limit")->check(whole);
  app.add_option("--batch", a.batch, "images per step")->check(CLI::Range(1, 65536))->capture_default_str();
  app.add_option("--optimizer", a.optimizer, "optimizer")
      ->check(CLI::IsMember({"sgd", "adam", "adamw"}))
      ->capture_default_str();
  auto* rate =
      app.add_option("--learning-rate", a.learning_rate, "learning rate; default: 0.01, with adam and adamw 0.001");
  app.add_option("--momentum", a.momentum, "momentum of sgd")->capture_default_str();
  app.add_flag("--nesterov", a.nesterov, "Nesterov's momentum, with sgd");
  app.add_option("--weight-decay", a.weight_decay, "decoupled with adamw, else added to the gradient (L2)")
      ->capture_default_str();
  app.add_option("--clip-norm", a.clip_norm, "scale gradients down to this norm if theirs is larger; 0: never")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--patience", a.patience, "end after N epochs without a better test accuracy; 0: never")
      ->check(whole)
      ->capture_default_str();
  app.add_option("--schedule", a.schedule, "schedule of the learning rate")
      ->check(CLI::IsMember({"constant", "inverse-time", "step", "cosine", "one-cycle"}))
      ->capture_default_str();
  app.add_option("--decay", a.decay, "for inverse-time: rate / (1 + decay x updates)")->capture_default_str();
  app.add_option("--step-factor", a.step_factor, "for step: factor on the learning rate")->capture_default_str();
  app.add_option("--step-every", a.step_every, "for step: multiply after every N epochs")
      ->check(positive)
      ->capture_default_str();
  app.add_option("--warm-up", a.warm_up, "raise the learning rate from 0 over N updates before the schedule")->check(whole);
  app.add_option("--dropout", a.dropout, "fraction dropped in the two hidden dense layers")
      ->check(CLI::IsMember(dropout_rates))
      ->capture_default_str();
  app.add_option("--initializer", a.initializer, "initializer of the weights; biases start at 0")
      ->check(CLI::IsMember({"glorot-uniform", "glorot-normal", "he-uniform", "he-normal"}))
      ->capture_default_str();
  app.add_flag("--standardize", a.standardize,
               "give each channel mean 0 and stddev 1 over the training images, instead of scaling pixels to [0, 1]; "
               "with --load, use it if the weights were trained with it");
  app.add_flag("--augment,!--no-augment", a.augment, "shift images by up to a tenth and flip them (default), or not");
  app.add_option("--pad-crop", a.pad_crop,
                 "instead of the shift: add a border of N zeros, and crop to 32x32 at a random place")
      ->check(CLI::Range(1, 32));
  app.add_option("--erase", a.erase, "blacken a box in this fraction of the training images (RandomErasing)")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--label-smoothing", a.label_smoothing, "this much of each target is spread over all classes")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  app.add_option("--ema", a.ema,
                 "keep the exponential moving average of the weights, by this factor an update; 0: no average")
      ->check(CLI::Range(0.0, 0.999999))
      ->capture_default_str();
  app.add_flag("--views", a.views, "at the end, label each test image by the mean of six mirrored and shifted views");
  app.add_option("--seed", a.seed, "seed of weights, order, dropout and augmentation")
      ->check(unsigned_64_bits())
      ->capture_default_str();
  app.add_option("--threads", a.threads, "number of threads; 0: all usable processors, or a share of them for each process")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  add_process_options(app, a.processes, true);
  app.add_option("--device", device, "cpu, cuda, or cuda:N for GPU number N; with nccl, cuda is a GPU for each process")
      ->check(names_a_device())
      ->capture_default_str();
  app.add_option("--precision", a.precision,
                 "type of activations and products: float32 or bf16, for cuda also tf32 (default: float32, for cuda tf32)")
      ->check(CLI::IsMember({"tf32", "float32", "bf16"}));
  app.add_flag("--autotune", a.autotune,
               "for cuda: measure which way to compute each convolution is the fastest, and use it");
  app.add_option("--save", a.save, "write the weights to this safetensors file at the end")->check(not_empty());
  app.add_option("--load", a.load, "start with the weights in this file")->check(CLI::ExistingFile);
  app.add_option("--checkpoint", a.checkpoint,
                 "write a checkpoint into this folder after each epoch and at the end, also after Ctrl-C; keep the newest "
                 "three, and the best weights")
      ->check(not_empty());
  app.add_option("--checkpoint-every", a.checkpoint_every, "also write one after every N steps")->check(positive);
  app.add_flag("--resume", a.resume, "continue from the newest checkpoint, or start if there is none");
  app.add_option("--report", a.report, "write a report of the run to this HTML file at the end")->check(not_empty());
  app.add_option("--metrics", a.metrics, "write the figures of all epochs to this .csv or .jsonl file, after each epoch")
      ->check(not_empty());
  app.add_option("--tensorboard", a.tensorboard, "write TensorBoard's event files into this folder")->check(not_empty());
  app.add_flag("--describe", a.describe, "print the network and exit");
  app.add_flag("--profile", a.profile, "print the time of each layer in a training step, and exit");
  try {
    app.parse(argc, argv);
    a.device = gpu_of(device) < 0 ? "cpu" : "cuda";
    a.gpu = std::max(gpu_of(device), 0), a.any_gpu = device == "cuda";
    if (a.precision.empty()) a.precision = a.device == "cuda" ? "tf32" : "float32";
    detail::check_together(app, a);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  a.command = command_line(argc, argv);
  if (rate->count() == 0 && a.optimizer != "sgd") a.learning_rate = 0.001;
  return -1;
}
