// SPDX-License-Identifier: BSL-1.0
// The command line of cifar_fast.
#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "../common/options.hpp"

struct Arguments {
  std::string data, save, checkpoint, precision = "float32";
  double epochs = 9.9;
  int threads = 0;
  std::uint64_t seed = 1;
  bool resume = false;
  ProcessArguments processes;
};

// Returns -1 to continue, or the exit code: 0 after --help, 2 for wrong options.
inline int parse(int argc, char** argv, Arguments& a) {
  CLI::App app{"Trains a network on CIFAR-10 by the recipe of Jordan 2024, which reached 94% in ten epochs in the paper"};
  app.add_option("--data", a.data, "the folder of CIFAR-10's binary files; without it they are downloaded")
      ->check(not_empty());
  app.add_option("--epochs", a.epochs, "length of the run; the schedule is scaled to it")->check(CLI::Range(0.1, 1000.0));
  app.add_option("--seed", a.seed, "seed of weights, order and augmentation")
      ->check(unsigned_64_bits())
      ->capture_default_str();
  app.add_option("--threads", a.threads, "number of threads; 0: all usable processors, or a share of them for each process")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--precision", a.precision, "type of activations and products: float32 or bf16")
      ->check(CLI::IsMember({"float32", "bf16"}))
      ->capture_default_str();
  app.add_option("--save", a.save, "write the weights to this file")->check(not_empty());
  app.add_option("--checkpoint", a.checkpoint, "write a checkpoint into this folder after each epoch")->check(not_empty());
  app.add_flag("--resume", a.resume, "continue from the newest checkpoint, or start if there is none");
  add_process_options(app, a.processes);
  try {
    app.parse(argc, argv);
    only_with(app, "--resume", !a.checkpoint.empty(), "runs with --checkpoint");
    check_process_options(app, a.processes);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return -1;
}
