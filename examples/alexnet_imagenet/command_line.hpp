// SPDX-License-Identifier: BSL-1.0
// The command line of alexnet_imagenet.
#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "../common/options.hpp"

struct Arguments {
  std::string data, checkpoint, save, report;
  int epochs = 90, batch = 128, threads = 0;
  std::int64_t max_steps = 0, checkpoint_every = 1000;
  std::uint64_t seed = 1;
  double learning_rate = 0.01;
  bool resume = false;
  std::string command;
};

// Returns -1 to continue, or the exit code: 0 after --help, 2 for wrong options.
inline int parse(int argc, char** argv, Arguments& a) {
  CLI::App app{"AlexNet of the paper: one step on random data, or with --data the paper's training on ImageNet"};
  app.get_formatter()->column_width(32);
  app.add_option("--data", a.data, "folder with train/ and val/, which have a folder for each of the 1000 classes")
      ->check(not_empty());
  app.add_option("--epochs", a.epochs, "passes over the training images")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--batch", a.batch, "images in each training step")->check(CLI::Range(1, 65536))->capture_default_str();
  app.add_option("--learning-rate", a.learning_rate,
                 "learning rate at the beginning; it is divided by ten after each quarter of the epochs")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--max-steps", a.max_steps, "end the run after N steps; 0: no limit")->check(CLI::NonNegativeNumber);
  app.add_option("--seed", a.seed, "seed of weights, order, dropout and augmentation")
      ->check(unsigned_64_bits())
      ->capture_default_str();
  app.add_option("--threads", a.threads, "number of threads; 0: all usable processors")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--checkpoint", a.checkpoint, "write checkpoints into this folder")->check(not_empty());
  app.add_option("--checkpoint-every", a.checkpoint_every, "write one after every N steps; 0: only after each epoch")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--resume", a.resume, "continue from the newest checkpoint");
  app.add_option("--save", a.save, "write weights, class names and preprocessing to this file")->check(not_empty());
  app.add_option("--report", a.report, "write an HTML page about the run")->check(not_empty());
  try {
    app.parse(argc, argv);
    for (const char* option : {"--epochs", "--batch", "--learning-rate", "--max-steps", "--seed", "--threads",
                               "--checkpoint", "--save", "--report"})
      only_with(app, option, !a.data.empty(), "runs with --data");
    for (const char* option : {"--checkpoint-every", "--resume"})
      only_with(app, option, !a.checkpoint.empty(), "runs with --checkpoint");
    if (!a.save.empty() && a.save == a.report) throw CLI::ValidationError("--report", "would write over --save");
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  a.command = command_line(argc, argv);
  return -1;
}
