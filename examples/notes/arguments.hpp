// SPDX-License-Identifier: BSL-1.0
// The command line of notes.
#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include <strata/data/download.hpp>

#include "../common/options.hpp"

struct Arguments {
  std::vector<std::string> rows;
  std::string data, mirror = strata::DownloadOptions{}.base, checkpoint, save, report, command;
  int seeds = 1, first_seed = 1, epochs = 0, threads = 0, gpu = -1;  // gpu: its number, or -1 for the CPU
  std::int64_t images = 0, max_steps = 0, checkpoint_every = 0;
  bool all = false, further = false, suspects = false, list = false, resume = false;
};

// Returns -1 to continue, or the exit code: 0 after --help, 2 for wrong options.
inline int parse(int argc, char** argv, Arguments& a) {
  CLI::App app{"The experiments of the notes: AlexNet on CIFAR, rows a to h, and why two rewrites of it failed"};
  app.get_formatter()->column_width(32);
  const auto positive = CLI::Range(1, 1000000000);
  app.add_option("--row", a.rows, "train this row, or with --suspects this suspect; may be repeated. --list names them")
      ->take_all();
  app.add_flag("--all", a.all, "train the rows of the notes, a to h");
  app.add_flag("--further", a.further, "train the rows that the notes propose, and our own recipe");
  app.add_flag("--suspects", a.suspects, "train the suspects of the post-mortem; default: 10,000 images, 5 epochs each");
  app.add_flag("--list", a.list, "list all rows and suspects, and exit");
  const auto seed = CLI::Range(1, 1000);
  app.add_option("--seeds", a.seeds, "number of seeds to train with")->check(seed)->capture_default_str();
  app.add_option("--first-seed", a.first_seed, "the first of these seeds")->check(seed)->capture_default_str();
  app.add_option("--epochs", a.epochs, "passes over the training images; default: the row's own")
      ->check(CLI::Range(1, 100000));
  app.add_option("--images", a.images, "use only the first N images of each set")->check(positive);
  app.add_option("--data", a.data,
                 "folder with cifar-10-batches-bin/ and cifar-100-binary/; default: a cached copy, or "
                 "the official archives are downloaded")
      ->check(CLI::ExistingDirectory);
  app.add_option("--mirror", a.mirror, "download the archives from this address")->capture_default_str();
  app.add_option("--threads", a.threads, "number of threads; 0: all usable processors")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  std::string device = "cpu";
  app.add_option("--device", device, "cpu, cuda (in TF32), or cuda:N for GPU number N")
      ->check(names_a_device())
      ->capture_default_str();
  app.add_option("--checkpoint", a.checkpoint,
                 "write the result, the best weights and checkpoints of each run into this folder; of a finished run only "
                 "the last checkpoint is kept. Use separate folders for rows and suspects")
      ->check(not_empty());
  app.add_option("--checkpoint-every", a.checkpoint_every, "also write a checkpoint after every N steps")->check(positive);
  app.add_flag("--resume", a.resume, "read the results in that folder, and continue the runs that are not finished");
  app.add_option("--save", a.save, "write the final weights of each run to a safetensors file in this folder")
      ->check(not_empty());
  app.add_option("--report", a.report, "write a report of each run to an HTML file in this folder")->check(not_empty());
  app.add_option("--max-steps", a.max_steps,
                 "end each run after N steps; a run that ends before its last epoch is not in the table")
      ->check(positive);
  try {
    app.parse(argc, argv);
    a.gpu = gpu_of(device);
    const auto only = [&](const char* option, bool fits, const char* with) { only_with(app, option, fits, with); };
    only("--checkpoint-every", !a.checkpoint.empty(), "runs with --checkpoint");
    only("--resume", !a.checkpoint.empty(), "runs with --checkpoint");
    only("--mirror", a.data.empty(), "runs without --data");
    only("--threads", a.gpu < 0, "--device cpu");
    if (!a.list && !a.all && !a.further && !a.suspects && a.rows.empty())
      throw CLI::ValidationError("--row", "or --all, --further, --suspects or --list is needed");
    if (a.suspects && (a.all || a.further))
      throw CLI::ValidationError("--suspects", "has its own budget and cannot be combined with --all or --further");
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  a.command = command_line(argc, argv);
  return -1;
}
