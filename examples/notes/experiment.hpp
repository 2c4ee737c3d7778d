// SPDX-License-Identifier: BSL-1.0
// An experiment: a network (a type), a recipe (a value), and the result of training it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <strata/strata.hpp>

#include "../common/number_text.hpp"
#include "networks.hpp"

namespace notes {

// --- The recipe -------------------------------------------------------------------------------------------------------

// The learning rate, made from the number of updates of the whole run.
using Rate = std::function<Schedule(std::int64_t)>;
inline Rate constant(double rate) {
  return [=](std::int64_t) { return ConstantRate{rate}; };
}
inline Rate inverse_time(double rate, double decay) {
  return [=](std::int64_t) { return InverseTimeDecay{rate, decay}; };
}
inline Rate cosine(double rate) {
  return [=](std::int64_t updates) { return Cosine{rate, updates}; };
}
inline Rate one_cycle(double rate) {
  return [=](std::int64_t updates) { return OneCycle{rate, updates}; };
}
// Three rates, each a tenth of the one before, as in the paper, whose steps were set by hand.
inline Rate two_steps(double rate) {
  return [=](std::int64_t updates) { return StepDecay{rate, 0.1, (updates + 2) / 3}; };
}

// The notes name neither the kinds nor the amounts of augmentation. With these, row f in Keras 3 ends within a point of the
// notes.
inline const Augment shift_and_flip{.width_shift = 0.1, .height_shift = 0.1, .horizontal_flip = true};
inline const Augment crop_and_flip{.horizontal_flip = true, .pad_crop = 4};
inline const Augment no_augmentation{};

enum class Inputs {
  unit,         // pixels in [0, 1]
  bytes,        // 0 to 255
  standardized  // each channel with mean 0 and stddev 1 over the training images
};

struct Recipe {
  Rate rate;
  double momentum = 0.9;  // for SGD
  bool nesterov = false;
  double epsilon = 1e-7;  // for Adam, the default of Keras
  double weight_decay = 0;
  int batch = 64;
  int epochs = 20;
  Augment augment = shift_and_flip;
  Inputs inputs = Inputs::unit;
  Initializer weights = GlorotUniform{}, biases = Constant{0};
  std::vector<TensorInitializer> tensors{};
};

template <class Optimizer_>
Optimizer_ optimizer_of(const Recipe& r, std::int64_t updates) {
  if constexpr (std::is_same_v<Optimizer_, SGD>)
    return {
        .learning_rate = r.rate(updates), .momentum = r.momentum, .nesterov = r.nesterov, .weight_decay = r.weight_decay};
  else
    return {.learning_rate = r.rate(updates), .epsilon = r.epsilon, .weight_decay = r.weight_decay};
}

// --- A run ------------------------------------------------------------------------------------------------------------

template <class Data>
struct Sets {
  Data training, test;
};

struct Job {
  const Sets<Cifar10>* cifar10 = nullptr;  // only the data set that the network needs
  const Sets<Cifar100<Fine>>* cifar100 = nullptr;
  std::uint64_t seed = 1;
  int epochs = 0, threads = 0, gpu = 0;
  std::int64_t max_steps = 0;
  std::filesystem::path checkpoints{};  // a folder; empty: no checkpoints
  std::int64_t checkpoint_every = 0;
  bool resume = false;
  std::filesystem::path save{}, report{};            // files written at the end of the run; empty: none
  std::string title{}, what{}, recipe{}, command{};  // for the report
  std::function<bool()> stop{};
};

struct Outcome {
  std::vector<EpochRecord> history;
  bool complete = false;                 // all epochs are done, or the run diverged
  std::string diverged;                  // the reason, or empty
  std::optional<Evaluation> dropout_on;  // on the test images, with dropout left on
};

// Defined in train_run.hpp. networks_*.cpp compile each combination once, and networks_*.cu do for a GPU; a combination
// that is missing there does not link.
template <class Net, class Optimizer_, class Loss>
Outcome train_on_cpu(const Recipe& recipe, const Job& job);
template <class Net, class Optimizer_, class Loss>
Outcome train_on_gpu(const Recipe& recipe, const Job& job);

// --- In the table -----------------------------------------------------------------------------------------------------

// The figures that the notes print for the last epoch.
struct Figures {
  double loss, accuracy, test_loss, test_accuracy;
};

struct Experiment {
  std::string name, what;
  int classes;
  Recipe recipe;
  std::optional<Figures> notes;
  std::string (*optimizer)(const Recipe&, std::int64_t updates);
  Outcome (*train)(const Recipe&, const Job&);
  Outcome (*train_on_gpu)(const Recipe&, const Job&) = nullptr;  // null in a program built without CUDA
};

// Loss: SoftmaxCrossEntropy, or Unchecked for a network that it refuses.
template <class Net, class Optimizer_, class Loss = SoftmaxCrossEntropy>
Experiment experiment(std::string name, std::string what, Recipe recipe, std::optional<Figures> figures = {}) {
  return {std::move(name),
          std::move(what),
          Net::output.channels,
          std::move(recipe),
          figures,
          [](const Recipe& r, std::int64_t updates) { return optimizer_of<Optimizer_>(r, updates).describe(); },
          &train_on_cpu<Net, Optimizer_, Loss>,
#ifdef NOTES_CUDA
          &train_on_gpu<Net, Optimizer_, Loss>};
#else
          nullptr};
#endif
}

// Everything that a result depends on, except the network, the images, the seed and the number of epochs.
inline std::string recipe_text(const Experiment& e, std::int64_t updates, bool on_gpu = false) {
  const Recipe& r = e.recipe;
  std::string text = e.optimizer(r, updates) + ", batch " + std::to_string(r.batch);
  if (r.augment.width_shift > 0) text += ", shift " + shortest_text(r.augment.width_shift);
  if (r.augment.pad_crop > 0) text += ", crop " + std::to_string(r.augment.pad_crop);
  if (r.augment.horizontal_flip) text += ", flip";
  if (r.inputs == Inputs::bytes) text += ", images from 0 to 255";
  if (r.inputs == Inputs::standardized) text += ", images standardized";
  text += ", weights " + r.weights.describe();
  for (const TensorInitializer& t : r.tensors) text += ", " + t.tensor + " " + t.values.describe();
  // Kernels round differently, and with Adam that alone can decide whether a network starts to learn.
  return text + ", biases " + r.biases.describe() +
         (on_gpu ? ", on a GPU in TF32" : std::string(", kernels ") + strata::cpu::kernel_path());
}

}  // namespace notes
