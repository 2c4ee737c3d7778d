// SPDX-License-Identifier: BSL-1.0
// The command line of a program that labels pictures, for one network or several. strata_add_predict() of CMake makes such
// a program for a network of yours; this file is installed for it.
#pragma once
#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include <strata/classifier.hpp>
#include <strata/strata.hpp>

#include "../common/print_classes.hpp"

struct PredictArguments {
  std::string weights;
  std::vector<std::string> images;
  int top = 5, threads = 0;
};

// Weights that are a part of the program; without any, the first argument is a file of weights.
struct EmbeddedWeights {
  std::span<const std::byte> bytes{};
  const char* name = "";
};

// Parses, and calls label(PredictArguments), which returns how many pictures have no label. Exit codes: 0 all pictures
// labelled, 1 some or none, 2 wrong options.
template <class F>
int predict_main(int argc, char** argv, const char* program, const std::string& about, bool embedded, F&& label) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  PredictArguments a;
  CLI::App app{about};
  if (!embedded) app.add_option("weights", a.weights, "the file written by --save, or a checkpoint")->required();
  app.add_option("images", a.images, "PNG or JPEG files")->required();
  app.add_option("--top", a.top, "number of classes to print for each picture")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--threads", a.threads, "number of threads; 0: all usable processors")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  try {
    return label(a) == 0 ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", program, e.what());
  }
  return 1;
}

// The whole program for one network.
template <class Net>
int predict_main(int argc, char** argv, const char* program, const EmbeddedWeights& embedded = {}) {
  const bool inside = embedded.bytes.data() != nullptr;
  return predict_main(argc, argv, program, std::string("Labels pictures with the network ") + program, inside,
                      [&](const PredictArguments& a) {
                        const strata::ModelOptions options{.batch = 1, .threads = a.threads};
                        strata::Classifier<Net> classifier =
                            inside ? strata::Classifier<Net>(embedded.bytes, embedded.name, options)
                                   : strata::Classifier<Net>(a.weights, options);
                        return print_classes(program, classifier, a.images, a.top);
                      });
}
