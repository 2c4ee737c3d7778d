// SPDX-License-Identifier: BSL-1.0
// The record of a trainer's run, for checkpoints.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <strata/core/summary.hpp>
#include <strata/core/tensor_info.hpp>
#include <strata/model/fingerprint.hpp>
#include <strata/optimizers/parameter_groups.hpp>
#include <strata/training/run.hpp>

namespace strata::detail {

// Collects the tensors of a model and of its optimizer's memory.
struct RunTensors {
  std::vector<std::span<float>> memory{};  // a slot each, of all parameters
  std::vector<RunTensor> weights{}, kept{};
  std::size_t offset = 0;

  void add(const std::string& name, const TensorInfo& info, std::span<float> values);
  void finish(TrainingRun& run);
};

// Lines of a recipe.
std::vector<std::string> group_lines(std::span<const ParameterGroup> groups);

template <class Trainer_>
TrainingRun training_run(Trainer_& trainer) {
  using Net = typename Trainer_::Net;
  auto& model = trainer.model();
  TrainingRun run{.architecture = architecture_fingerprint<Net>(),
                  .summary = summary<Net>(),
                  .optimizer = trainer.optimizer().describe(),
                  .loss = trainer.loss().describe(),
                  .batch = model.options().batch,
                  .seed = model.options().seed,
                  .clip_norm = trainer.clip_norm(),
                  .more = group_lines(trainer.groups()),
                  .kernels = model.engine().kernels()};
  if (trainer.reducer()) run.more.push_back("reducer: " + trainer.reducer()->describe());
  RunTensors tensors;
  for (int slot = 0; slot < trainer.optimizer().slots(); ++slot) tensors.memory.push_back(trainer.memory(slot));
  model.for_each_tensor(
      [&](const std::string& name, const TensorInfo& info, std::span<float> values) { tensors.add(name, info, values); });
  tensors.finish(run);
  return run;
}

}  // namespace strata::detail

#if !defined(STRATA_COMPILED)
#include <strata/training/training_run_impl.hpp>
#endif
