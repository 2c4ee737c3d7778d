// SPDX-License-Identifier: BSL-1.0
// Labels pictures: predict WEIGHTS IMAGE... takes weights or a checkpoint of alexnet_cifar, and PNG or JPEG files of any
// size, which it resizes to the network's input.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include <strata/classifier.hpp>
#include <strata/strata.hpp>

#include "../alexnet_cifar/network.hpp"
#include "../common/print_classes.hpp"

using namespace strata;

namespace {

struct Arguments {
  std::string weights;
  std::vector<std::string> images;
  int top = 5, threads = 0;
};

// Returns -1 to continue, or the exit code.
int parse(int argc, char** argv, Arguments& a) {
  CLI::App app{"Labels pictures with a network trained by alexnet_cifar, or by notes (rows f to h and ours)"};
  app.add_option("weights", a.weights, "the file written by --save, or a checkpoint")->required();
  app.add_option("images", a.images, "PNG or JPEG files")->required();
  app.add_option("--top", a.top, "number of classes to print for each picture")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--threads", a.threads, "0: all usable processors")->check(CLI::Range(0, 1024))->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return -1;
}

// Uses the first of the networks whose fingerprint is in the file.
template <class... Nets>
int run(const Arguments& a) {
  const SafetensorsFile file(a.weights);
  const auto fingerprint = file.metadata().find("strata.architecture");
  if (fingerprint == file.metadata().end())
    throw FileError(a.weights, "no metadata strata.architecture; expected weights that alexnet_cifar saved");
  int failed = -1;
  const auto fits = [&]<class Net>() {
    if (fingerprint->second != architecture_fingerprint<Net>()) return false;
    Classifier<Net> classifier(a.weights, {.batch = 1, .threads = a.threads});
    failed = print_classes("predict", classifier, a.images, a.top);
    return true;
  };
  if (!(fits.template operator()<Nets>() || ...))
    throw FileError(a.weights, "the architecture " + fingerprint->second +
                                   " belongs to no network that predict knows; expected one of alexnet_cifar");
  return failed;
}

}  // namespace

// Exit codes: 0 all pictures labelled, 1 some or none, 2 wrong options.
int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  Arguments a;
  if (const int code = parse(argc, argv, a); code >= 0) return code;
  try {
    return run<AlexNet<10>, AlexNet<100>>(a) == 0 ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "predict: %s\n", e.what());
  }
  return 1;
}
