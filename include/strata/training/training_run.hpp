// SPDX-License-Identifier: BSL-1.0
// The record of a trainer's run, for checkpoints.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <strata/core/summary.hpp>
#include <strata/core/tensor_info.hpp>
#include <strata/model/fingerprint.hpp>
#include <strata/training/run.hpp>

namespace strata::detail {

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
                  .kernels = model.engine().kernels()};
  for (const auto& group : trainer.groups()) run.more.push_back("parameter group: " + group.describe());
  if (trainer.reducer()) run.more.push_back("reducer: " + trainer.reducer()->describe());
  std::vector<RunTensor> kept;
  std::size_t offset = 0;
  model.for_each_tensor([&](const std::string& name, const TensorInfo& info, std::span<float> values) {
    const std::vector<std::int64_t> shape(info.shape.begin(), info.shape.begin() + info.rank);
    run.tensors.push_back({name, shape, values});
    if (!info.trainable()) return;
    for (int slot = 0; slot < trainer.optimizer().slot_count(); ++slot)
      kept.push_back(
          {"optimizer/" + std::to_string(slot) + "/" + name, shape, trainer.memory(slot).subspan(offset, values.size())});
    offset += values.size();
  });
  run.weights = run.tensors.size();
  run.tensors.insert(run.tensors.end(), kept.begin(), kept.end());
  return run;
}

}  // namespace strata::detail
