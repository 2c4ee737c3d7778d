// SPDX-License-Identifier: BSL-1.0
// The options of alexnet_cifar, and the optimizer that they describe.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>

#include <strata/model/initializers.hpp>
#include <strata/optimizers/optimizers.hpp>
#include <strata/optimizers/schedules.hpp>

#include "../common/processes.hpp"

// The dropout rate is part of the network's type, so only these are compiled. Each one more costs some seconds to compile.
inline constexpr std::array dropout_rates{0.0, 0.25, 0.5};

struct Arguments {
  std::string dataset, data, mirror, optimizer = "sgd", schedule = "inverse-time", initializer = "glorot-uniform", save,
                                     load, checkpoint, report, metrics, tensorboard, command, device = "cpu", precision;
  int epochs = 20, batch = 64, threads = 0, step_every = 10, pad_crop = 0, patience = 0;
  std::int64_t warm_up = 0, max_steps = 0, images = 0, checkpoint_every = 0;
  double learning_rate = 0.01, momentum = 0.9, decay = 0.0005, step_factor = 0.1, weight_decay = 0, dropout = 0.5,
         clip_norm = 0, label_smoothing = 0, erase = 0, ema = 0;
  std::uint64_t seed = 1;
  bool nesterov = false, augment = true, standardize = false, describe = false, profile = false, resume = false,
       autotune = false, views = false;
  int gpu = 0;           // the N of --device cuda:N
  bool any_gpu = false;  // none was named
  ProcessArguments processes;
};

// steps: the steps of one epoch.
inline strata::Schedule schedule_of(const Arguments& a, std::int64_t steps) {
  const std::int64_t all = steps * std::max(a.epochs, 1);
  if (a.warm_up >= all)
    throw std::invalid_argument("--warm-up " + std::to_string(a.warm_up) + ": the whole run has " + std::to_string(all) +
                                " updates");
  const auto warm = [&](auto schedule) -> strata::Schedule {
    if (a.warm_up == 0) return schedule;
    return strata::WarmUp{schedule, a.warm_up};
  };
  if (a.schedule == "constant") return warm(strata::ConstantRate{a.learning_rate});
  if (a.schedule == "step") return warm(strata::StepDecay{a.learning_rate, a.step_factor, a.step_every * steps});
  if (a.schedule == "cosine") return warm(strata::Cosine{a.learning_rate, all - a.warm_up});
  if (a.schedule == "one-cycle") return strata::OneCycle{a.learning_rate, all};
  return warm(strata::InverseTimeDecay{a.learning_rate, a.decay});
}

inline strata::Initializer initializer_of(const Arguments& a) {
  if (a.initializer == "glorot-normal") return strata::GlorotNormal{};
  if (a.initializer == "he-uniform") return strata::HeUniform{};
  if (a.initializer == "he-normal") return strata::HeNormal{};
  return strata::GlorotUniform{};
}

// Calls f with the chosen optimizer.
template <class F>
void with_optimizer(const Arguments& a, const strata::Schedule& rate, F f) {
  if (a.optimizer == "adam")
    f(strata::Adam{.learning_rate = rate, .weight_decay = a.weight_decay});
  else if (a.optimizer == "adamw")
    f(strata::AdamW{.learning_rate = rate, .weight_decay = a.weight_decay});
  else
    f(strata::SGD{.learning_rate = rate, .momentum = a.momentum, .nesterov = a.nesterov, .weight_decay = a.weight_decay});
}
