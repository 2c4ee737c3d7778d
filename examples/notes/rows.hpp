// SPDX-License-Identifier: BSL-1.0
// The rows of the notes with the figures of the twentieth epoch, and the rows that the notes propose but did not run.
#pragma once
#include <vector>

#include "experiment.hpp"

namespace notes {

// Adam and the default initialization are the same as in Keras. The `decay` of SGD was inverse time decay of the learning
// rate, per update.
inline std::vector<Experiment> rows() {
  const Recipe adam{.rate = constant(0.001)};
  const Recipe sgd{.rate = inverse_time(0.01, 0.0005)};
  const Recipe fast{.rate = inverse_time(0.03, 0.0005)};
  // clang-format off
  return {
      //                   row   what                                              recipe   loss    accuracy  test loss, accuracy
      experiment<A, Adam>("a", "CIFAR-10, 11x11, Adam, no dropout",                adam, Figures{0.5243, 0.8158, 0.7617, 0.7490}),
      experiment<B, Adam>("b", "CIFAR-10, 11x11, Adam, dropout 0.25",              adam, Figures{0.5358, 0.8119, 0.7759, 0.7523}),
      experiment<B, SGD> ("c", "CIFAR-10, 11x11, SGD 0.01, dropout 0.25",          sgd,  Figures{0.5828, 0.7954, 0.7238, 0.7571}),
      experiment<D, SGD> ("d", "CIFAR-10, 11x11, SGD 0.01, dropout 0.5",           sgd,  Figures{0.5997, 0.7893, 0.7514, 0.7490}),
      experiment<E, SGD> ("e", "CIFAR-10, 7x7, SGD 0.01, dropout 0.5",             sgd,  Figures{0.5466, 0.8084, 0.6711, 0.7777}),
      experiment<F, SGD> ("f", "CIFAR-10, 5x5, SGD 0.01, dropout 0.5",             sgd,  Figures{0.5036, 0.8234, 0.6227, 0.7931}),
      experiment<F, SGD> ("g", "CIFAR-10, 5x5, SGD 0.03, dropout 0.5",             fast, Figures{0.4786, 0.8322, 0.6830, 0.7769}),
      experiment<H, SGD> ("h", "CIFAR-100, 5x5, SGD 0.03, dropout 0.5",            fast, Figures{1.6637, 0.5390, 2.1325, 0.4608}),
  };
  // clang-format on
}

// Other readings of what the notes leave open, the rows that they propose, and our own recipe for their networks.
inline std::vector<Experiment> further_rows() {
  const auto with = [](Rate rate, auto change) {
    Recipe r{.rate = std::move(rate)};
    change(r);
    return r;
  };
  const auto as_it_is = [](Recipe&) {};
  const auto paper = [](Recipe& r) { r.weight_decay = 0.0005, r.batch = 128; };
  const auto ours = [](Recipe& r) { r.nesterov = true, r.weight_decay = 0.0005, r.augment = crop_and_flip; };
  const auto he = [ours](Recipe& r) { ours(r), r.inputs = Inputs::standardized, r.weights = HeNormal{}; };
  const auto decay = [he](Recipe& r) { he(r), r.weight_decay = 0.002; };
  const auto plain = [](Recipe& r) { r.augment = no_augmentation; };
  const auto cropped = [](Recipe& r) { r.augment = crop_and_flip; };
  // clang-format off
  return {
      experiment<APad4, Adam> ("a-pad4",       "row a, first convolution padded by 4",               with(constant(0.001), as_it_is)),
      experiment<BPad4, SGD>  ("c-pad4",       "row c, first convolution padded by 4",               with(inverse_time(0.01, 0.0005), as_it_is)),
      experiment<F, SGD>      ("f-crop",       "row f, padded by 4 and cropped instead of shifted",  with(inverse_time(0.01, 0.0005), cropped)),
      experiment<F, SGD>      ("f-plain",      "row f without augmentation",                         with(inverse_time(0.01, 0.0005), plain)),
      experiment<F, SGD>      ("f-0.001",      "row f, rate 0.001 to 0 along a cosine",              with(cosine(0.001), as_it_is)),
      experiment<F, SGD>      ("f-0.01",       "row f, rate 0.01 to 0 along a cosine",               with(cosine(0.01), as_it_is)),
      experiment<F, SGD>      ("f-0.03",       "row f, rate 0.03 to 0 along a cosine",               with(cosine(0.03), as_it_is)),
      experiment<F, SGD>      ("f-0.1",        "row f, rate 0.1 to 0 along a cosine",                with(cosine(0.1), as_it_is)),
      experiment<F, SGD>      ("f-constant",   "row f, rate 0.01 without decay",                     with(constant(0.01), as_it_is)),
      experiment<F, SGD>      ("f-paper",      "row f, weight decay 0.0005, batch 128, two steps",   with(two_steps(0.01), paper)),
      experiment<H, SGD>      ("h-60",         "row h for 60 epochs",                                with(inverse_time(0.03, 0.0005), [](Recipe& r) { r.epochs = 60; })),
      experiment<HThree, SGD> ("h-three",      "row h with three dropouts",                          with(inverse_time(0.03, 0.0005), as_it_is)),
      experiment<F, SGD>      ("ours10",       "CIFAR-10, one cycle to 0.03, weight decay, crops",   with(one_cycle(0.03), ours)),
      experiment<H, SGD>      ("ours100",      "CIFAR-100, one cycle to 0.03, weight decay, crops",  with(one_cycle(0.03), ours)),
      experiment<F, SGD>      ("ours10-he",    "ours10, inputs standardized, HeNormal",              with(one_cycle(0.03), he)),
      experiment<H, SGD>      ("ours100-he",   "ours100, inputs standardized, HeNormal",             with(one_cycle(0.03), he)),
      experiment<F, SGD>      ("ours10-he-0.015",  "ours10-he, one cycle to 0.015",                  with(one_cycle(0.015), he)),
      experiment<H, SGD>      ("ours100-he-0.015", "ours100-he, one cycle to 0.015",                 with(one_cycle(0.015), he)),
      experiment<H, SGD>      ("ours100-he-0.01",  "ours100-he, one cycle to 0.01",                  with(one_cycle(0.01), he)),
      experiment<F, SGD>      ("ours10-decay",     "ours10-he-0.015, weight decay 0.002",            with(one_cycle(0.015), decay)),
      experiment<H, SGD>      ("ours100-decay",    "ours100-he-0.015, weight decay 0.002",           with(one_cycle(0.015), decay)),
  };
  // clang-format on
}

}  // namespace notes
