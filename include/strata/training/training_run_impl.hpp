// SPDX-License-Identifier: BSL-1.0
// The functions of training_run.hpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/compiled.hpp>
#include <strata/training/training_run.hpp>

namespace strata::detail {

STRATA_DEFINE void RunTensors::add(const std::string& name, const TensorInfo& info, std::span<float> values) {
  const std::vector<std::int64_t> shape(info.shape.begin(), info.shape.begin() + info.rank);
  weights.push_back({name, shape, values});
  if (!info.trainable()) return;
  for (std::size_t slot = 0; slot < memory.size(); ++slot)
    kept.push_back({"optimizer/" + std::to_string(slot) + "/" + name, shape, memory[slot].subspan(offset, values.size())});
  offset += values.size();
}

STRATA_DEFINE void RunTensors::finish(TrainingRun& run) {
  run.weights = weights.size();
  run.tensors = std::move(weights);
  run.tensors.insert(run.tensors.end(), kept.begin(), kept.end());
}

STRATA_DEFINE std::vector<std::string> group_lines(std::span<const ParameterGroup> groups) {
  std::vector<std::string> lines;
  for (const ParameterGroup& group : groups) lines.push_back("parameter group: " + group.describe());
  return lines;
}

}  // namespace strata::detail
