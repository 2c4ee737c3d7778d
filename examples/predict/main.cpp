// SPDX-License-Identifier: BSL-1.0
// Says what is on pictures: predict WEIGHTS IMAGE..., with weights or a checkpoint of alexnet_cifar and PNG or JPEG files
// of any size, which are resized to the network's input.
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

// Returns -1, or the exit code where the program is to end.
int parse(int argc, char** argv, Arguments& a) {
  CLI::App app{"Labels pictures with a network that alexnet_cifar trained, or notes by the rows from f on"};
  app.add_option("weights", a.weights, "what was saved: by --save, or a checkpoint")->required();
  app.add_option("images", a.images, "PNG or JPEG files")->required();
  app.add_option("--top", a.top, "so many classes for each")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--threads", a.threads, "0: all cores")->check(CLI::Range(0, 1024))->capture_default_str();
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

// Returns how many files could not be labelled; each has said why.
template <class Net>
int label(const Arguments& a, const DataInfo& info) {
  if (info.classes.size() != static_cast<std::size_t>(Net::output.channels) || !(info.image == Net::input))
    throw FileError(a.weights, "its metadata is of other data than its network takes");
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

// The first of the networks whose fingerprint the file has.
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
                                   " is of no network that predict knows; expected one of alexnet_cifar's");
  return failed;
}

}  // namespace

// 0: all were labelled; 1: some could not be, or none; 2: wrong options.
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
