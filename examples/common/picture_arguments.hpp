// SPDX-License-Identifier: BSL-1.0
// The command line of a program that trains on a folder of pictures and labels others.
#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "options.hpp"

struct PictureArguments {
  bool train = false;  // otherwise predict
  // train
  std::string folder, save, report;
  int epochs = 12, batch = 32, threads = 0;
  std::uint64_t seed = 1;
  double learning_rate = 0.002;
  // predict
  std::string weights;
  std::vector<std::string> pictures;
  int top = 5;
  std::string command;  // the whole line
};

// Returns -1 to continue, or the exit code: 0 after --help, 2 for wrong options.
inline int parse(int argc, char** argv, PictureArguments& a) {
  CLI::App app{"Trains a network on pictures of your own, in a folder for each class, and labels other pictures with it"};
  app.require_subcommand(1);
  const auto threads = [&](CLI::App* command) {
    command->add_option("--threads", a.threads, "number of threads; 0: all usable processors")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
  };
  CLI::App* train = app.add_subcommand("train", "trains on a folder and tests on a tenth of it");
  train->add_option("folder", a.folder, "a folder that has one folder with PNG or JPEG files for each class")->required();
  train->add_option("--save", a.save, "write weights, class names and preprocessing to this file")->check(not_empty());
  train->add_option("--report", a.report, "write an HTML page about the run")->check(not_empty());
  train->add_option("--epochs", a.epochs, "passes over the training pictures")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  train->add_option("--batch", a.batch, "pictures in each training step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  train->add_option("--learning-rate", a.learning_rate, "the highest learning rate of the run")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  train->add_option("--seed", a.seed, "seed of weights, order, dropout and augmentation")
      ->check(unsigned_64_bits())
      ->capture_default_str();
  threads(train);
  CLI::App* predict = app.add_subcommand("predict", "labels pictures");
  predict->add_option("weights", a.weights, "the file written by --save")->required();
  predict->add_option("pictures", a.pictures, "PNG or JPEG files")->required();
  predict->add_option("--top", a.top, "number of classes to print")->check(CLI::Range(1, 1000))->capture_default_str();
  threads(predict);
  try {
    app.parse(argc, argv);
    if (!a.save.empty() && a.save == a.report) throw CLI::ValidationError("--report", "would write over --save");
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  a.train = train->parsed();
  a.command = command_line(argc, argv);
  return -1;
}
