// SPDX-License-Identifier: BSL-1.0
// Labels pictures: predict WEIGHTS IMAGE... takes weights or a checkpoint of alexnet_cifar, and PNG or JPEG files of any
// size, which it resizes to the network's input. For a network of yours, strata_add_predict() of CMake makes such a program
// (docs/deploy.md).
#include <CLI/CLI.hpp>

#include <strata/classifier.hpp>
#include <strata/io/safetensors.hpp>
#include <strata/strata.hpp>

#include "../alexnet_cifar/network.hpp"
#include "../common/print_classes.hpp"
#include "predict.hpp"

using namespace strata;

namespace {

// Uses the first of the networks whose fingerprint is in the file.
template <class... Nets>
int label(const PredictArguments& a) {
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

int main(int argc, char** argv) {
  return predict_main(argc, argv, "predict",
                      "Labels pictures with a network trained by alexnet_cifar, or by notes (rows f to h and ours)", false,
                      label<AlexNet<10>, AlexNet<100>>);
}
