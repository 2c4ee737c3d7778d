// SPDX-License-Identifier: BSL-1.0
// Labels pictures: predict WEIGHTS IMAGE... takes weights or a checkpoint of alexnet_cifar, and PNG or JPEG files of any
// size, which it resizes to the network's input.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <strata/data/images.hpp>
#include <strata/strata.hpp>

#include "../alexnet_cifar/network.hpp"

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

std::vector<double> softmax(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> p;
  for (const float x : logits) p.push_back(std::exp(x - largest));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& x : p) x /= sum;
  return p;
}

// Prints the labels, or why a file cannot be labelled. Returns how many cannot.
template <class Net>
int label(const Arguments& a, const DataInfo& info) {
  if (info.classes.size() != static_cast<std::size_t>(Net::output.channels) || !(info.image == Net::input))
    throw FileError(a.weights, "its metadata describes other data than its network takes");
  Model<Net, Cpu, Inference> model{{.batch = 1, .threads = a.threads}};
  load_weights(model, a.weights);
  int failed = 0;
  for (const std::string& file : a.images) try {
      const std::span<const float> logits = model.predict(to_input(read_image_file(file), info));
      if (!std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); }))
        throw FileError(a.weights, "these weights give NaN or infinity for " + file);
      const std::vector<double> p = softmax(logits);
      std::vector<std::size_t> order(p.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::sort(order.begin(), order.end(),
                [&p](std::size_t x, std::size_t y) { return p[x] != p[y] ? p[x] > p[y] : x < y; });
      std::printf("%s\n", file.c_str());
      for (std::size_t i = 0; i < std::min(order.size(), static_cast<std::size_t>(a.top)); ++i)
        std::printf("  %6.2f%%  %s\n", 100 * p[order[i]], info.classes[order[i]].c_str());
    } catch (const DataError& e) {
      std::fprintf(stderr, "predict: %s\n", e.what());
      ++failed;
    }
  return failed;
}

// Uses the first of the networks whose fingerprint is in the file.
template <class... Nets>
int run(const Arguments& a) {
  const SafetensorsFile file(a.weights);
  const auto fingerprint = file.metadata().find("strata.architecture");
  if (fingerprint == file.metadata().end())
    throw FileError(a.weights, "no metadata strata.architecture; expected weights that alexnet_cifar saved");
  const DataInfo info = read_data_info(file);
  int failed = -1;
  const auto fits = [&]<class Net>() {
    if (fingerprint->second != architecture_fingerprint<Net>()) return false;
    failed = label<Net>(a, info);
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
