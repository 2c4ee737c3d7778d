// SPDX-License-Identifier: BSL-1.0
// The post-mortem: why did the rewrites of row h reach 20% and 35%, and row h 46%? Row h with one suspect each, and the
// rewrites with one suspect removed each. The most informative come first.
#pragma once
#include <vector>

#include "../common/number_text.hpp"
#include "experiment.hpp"

namespace notes {

// A run sees 50,000 images, as many as one epoch of the notes: 785 updates at batch 64, 250 at batch 200.
struct Budget {
  static constexpr std::size_t images = 10000, test_images = 2000;
  static constexpr int epochs = 5;
};

inline std::vector<Experiment> suspects() {
  using Twice = Unchecked<SoftmaxCrossEntropy>;

  const auto h = [](auto change) {
    Recipe r{.rate = inverse_time(0.03, 0.0005)};
    change(r);
    return r;
  };
  const auto as_it_is = [](Recipe&) {};
  // tf.layers has the initialization of Keras. tf.nn has that of its helpers; the stddev of the dense layers is a guess.
  const auto layers = [](auto change) {
    Recipe r{.rate = constant(0.001), .batch = 200, .augment = no_augmentation};
    change(r);
    return r;
  };
  const auto helpers = [](Recipe& r) {
    r.weights = TruncatedNormal{0.01}, r.biases = Constant{0.01};
    for (const char* name : {"conv2d", "conv2d_1", "conv2d_2", "conv2d_3", "conv2d_4"})
      r.tensors.push_back({std::string(name) + "/bias", Constant{0.1}});
  };
  const auto bytes = [](Recipe& r) { r.inputs = Inputs::bytes; };
  const auto plain = [](Recipe& r) { r.augment = no_augmentation; };
  const auto augmented = [](Recipe& r) { r.augment = shift_and_flip; };
  const auto batch200 = [](Recipe& r) { r.batch = 200; };
  const auto batch64 = [](Recipe& r) { r.batch = 64; };
  const auto adam = [](Recipe& r) { r.rate = constant(0.001); };
  const auto tensorflow = [](Recipe& r) { r.epsilon = 1e-8; };  // as in its AdamOptimizer
  const auto sgd = [](Recipe& r) { r.rate = inverse_time(0.03, 0.0005); };
  const auto slow = [](Recipe& r) {
    r.rate = constant(0.0001);
  };  // the notes give no learning rate for Adam in the rewrites
  const auto slow_helpers = [&](Recipe& r) { helpers(r), slow(r); };

  // clang-format off
  std::vector<Experiment> all{
      experiment<H, SGD>                ("h",                "row h",                                    h(as_it_is)),
      experiment<Layers, Adam, Twice>   ("layers",           "tf.layers: kept 0.15, softmax twice, Adam, batch 200, no augmentation", layers(as_it_is)),
      experiment<Keep15, Adam>          ("layers-logits",    "tf.layers, softmax once",                  layers(as_it_is)),
      experiment<SoftmaxEnd, Adam, Twice>("layers-dropout",  "tf.layers, dropout 0.5",                   layers(as_it_is)),
      experiment<H, Adam>               ("layers-both",      "tf.layers, softmax once, dropout 0.5",     layers(as_it_is)),
      experiment<H, SGD>                ("h-plain",          "row h, no augmentation",                   h(plain)),
      experiment<SoftmaxEnd, SGD, Twice>("h-softmax",        "row h, softmax twice",                     h(as_it_is)),
      experiment<H, Adam>               ("h-adam",           "row h, Adam",                              h(adam)),
      experiment<Keep15, SGD>           ("h-keep-0.15",      "row h, 0.15 kept",                         h(as_it_is)),
      experiment<ReluEnd, SGD, Twice>   ("h-relu-logits",    "row h, ReLU'd logits",                     h(as_it_is)),
      experiment<H, SGD>                ("h-batch-200",      "row h, batch 200: 250 updates",            h(batch200)),
      experiment<H, SGD>                ("h-helpers",        "row h, the initialization of tf.nn's helpers", h(helpers)),
      experiment<LinearDense, SGD>      ("h-linear-dense",   "row h, no ReLU in the dense layers",       h(as_it_is)),
      experiment<H, SGD>                ("h-bytes",          "row h, images from 0 to 255",              h(bytes)),
      experiment<NnRelu, Adam, Twice>   ("nn-relu",          "tf.nn: its helpers, the slip, ReLU'd logits; else as tf.layers", layers(helpers)),
      experiment<NnLinear, Adam>        ("nn-linear",        "tf.nn, slip mended, no ReLU in the dense layers", layers(helpers)),
      experiment<LayersRate15, Adam, Twice>("layers-rate",   "tf.layers, dropout 0.15",                  layers(as_it_is)),
      experiment<LayersRelu, Adam, Twice>("layers-rate-relu", "tf.layers, dropout 0.15, ReLU'd logits",  layers(as_it_is)),
      experiment<Rate15, Adam>          ("layers-rate-logits", "tf.layers, dropout 0.15, softmax once",  layers(as_it_is)),
      experiment<Rate15, Adam>          ("layers-epsilon",   "tf.layers, dropout 0.15, softmax once, Adam with epsilon 1e-8", layers(tensorflow)),
      experiment<Layers, Adam, Twice>   ("layers-augmented", "tf.layers, augmented",                     layers(augmented)),
      experiment<Layers, Adam, Twice>   ("layers-batch-64",  "tf.layers, batch 64",                      layers(batch64)),
      experiment<Layers, SGD, Twice>    ("layers-sgd",       "tf.layers, the SGD of row h",              layers(sgd)),
      experiment<Layers, Adam, Twice>   ("layers-bytes",     "tf.layers, images from 0 to 255",          layers(bytes)),
      experiment<Rate15, SGD>           ("h-rate-0.15",      "row h, dropout 0.15",                      h(as_it_is)),
      experiment<Linear, SGD>           ("h-linear",         "row h, no ReLU at all",                    h(as_it_is)),
      experiment<Slip, SGD>             ("h-slip",           "row h, conv2 of [5,5,3,256]",              h(as_it_is)),
      experiment<TwoGroups, SGD>        ("h-two-groups",     "row h, two groups in conv4 and conv5",     h(as_it_is)),
      experiment<SameOne, SGD>          ("h-same",           "row h, Same pools and stride 1",           h(as_it_is)),
      experiment<NnSoftmax, Adam, Twice>("nn-softmax",       "tf.nn, softmax twice",                     layers(helpers)),
      experiment<NnMended, Adam, Twice> ("nn-mended",        "tf.nn, ReLU'd logits, slip mended",        layers(helpers)),
      experiment<NnLogits, Adam>        ("nn-logits",        "tf.nn, slip mended, logits",               layers(helpers)),
      experiment<SameOne, Adam>         ("nn-both",          "tf.nn, slip mended, logits, dropout 0.5",  layers(helpers)),
      experiment<SameOne, Adam>         ("nn-glorot",        "tf.nn, slip mended, logits, dropout 0.5, GlorotUniform", layers(as_it_is)),
      experiment<H, Adam>               ("nn-valid",         "tf.nn, slip mended, logits, dropout 0.5, row h's pools and strides", layers(helpers)),
      experiment<NnRateRelu, Adam, Twice>("nn-rate-relu",    "tf.nn, slip mended, dropout 0.15, ReLU'd logits", layers(helpers)),
      experiment<NnRateLinear, Adam>    ("nn-rate-linear",   "tf.nn, slip mended, dropout 0.15, no ReLU in the dense layers", layers(helpers)),
      experiment<Layers, Adam, Twice>   ("layers-0.0001",             "tf.layers, Adam with rate 0.0001",                               layers(slow)),
      experiment<LayersRate15, Adam, Twice>("layers-rate-0.0001",     "tf.layers, dropout 0.15, Adam with rate 0.0001",                 layers(slow)),
      experiment<LayersRelu, Adam, Twice>("layers-rate-relu-0.0001",  "tf.layers, dropout 0.15, ReLU'd logits, Adam with rate 0.0001",  layers(slow)),
      experiment<Rate15, Adam>          ("layers-rate-logits-0.0001", "tf.layers, dropout 0.15, softmax once, Adam with rate 0.0001",   layers(slow)),
      experiment<Rate15, Adam>          ("layers-rate-logits-augmented", "tf.layers, dropout 0.15, softmax once, augmented",            layers(augmented)),
      experiment<NnRateRelu, Adam, Twice>("nn-rate-relu-0.0001",      "tf.nn, slip mended, dropout 0.15, ReLU'd logits, Adam with rate 0.0001", layers(slow_helpers)),
      experiment<NnRateLinear, Adam>    ("nn-rate-linear-0.0001",     "tf.nn, slip mended, dropout 0.15, no ReLU in the dense layers, Adam with rate 0.0001", layers(slow_helpers)),
      experiment<H, Adam>               ("layers-both-0.0001",        "tf.layers, softmax once, dropout 0.5, Adam with rate 0.0001",    layers(slow)),
  };
  // clang-format on
  for (const double momentum : {0.9, 0.45, 0.1})
    for (const double rate : {0.1, 0.01, 0.001, 0.0001}) {
      Recipe r = h(as_it_is);
      r.rate = constant(rate), r.momentum = momentum;
      const std::string numbers = shortest_text(rate) + ", momentum " + shortest_text(momentum);
      all.push_back(experiment<H, SGD>("h-sgd-" + shortest_text(rate) + "-" + shortest_text(momentum),
                                       "row h, SGD " + numbers + ", no decay", std::move(r)));
    }
  return all;
}

}  // namespace notes
