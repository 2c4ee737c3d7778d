// SPDX-License-Identifier: BSL-1.0
// The functions of checkpoint_file.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/io/checkpoint_file.hpp>
#include <strata/io/safetensors_reader.hpp>
#include <strata/io/seal.hpp>
#include <strata/io/training_state.hpp>
#include <strata/io/weights_file.hpp>
#include <strata/util/numbers.hpp>
#include <strata/util/take_line.hpp>
#include <strata/util/version.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

inline constexpr const char* state_key = "strata.training";
inline constexpr const char* recipe_key = "strata.recipe";
inline constexpr const char* version_key = "strata.version";  // files of strata 0.1 have none

STRATA_DEFINE std::vector<Tensor> tensors_of(const TrainingRun& run, std::size_t count) {
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < count; ++i)
    tensors.push_back({run.tensors[i].name, run.tensors[i].shape, run.tensors[i].values});
  return tensors;
}

STRATA_DEFINE void write_checkpoint(const std::filesystem::path& path, const TrainingRun& run, const std::string& recipe,
                                    const TrainingState& state, std::map<std::string, std::string> metadata) {
  if (run.check) run.check();
  metadata[state_key] = state_text(state);
  metadata[recipe_key] = recipe;
  metadata[version_key] = std::string(version);
  metadata["strata.kernels"] = run.kernels;
  write_weights(path, tensors_of(run, run.tensors.size()), run.architecture, run.summary, std::move(metadata));
}

STRATA_DEFINE OtherVersion::OtherVersion(const std::filesystem::path& path, const std::string& written)
    : FileError(path, "strata " + written + " wrote this checkpoint, and strata " + std::string(version) +
                          " cannot resume it; load_weights() reads its weights") {}

// Recipes and states may differ between versions whose first two numbers differ.
STRATA_DEFINE void check_version(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata) {
  const auto series = [](std::string_view v) { return v.substr(0, v.find('.', std::min(v.find('.'), v.size() - 1) + 1)); };
  const auto found = metadata.find(version_key);
  const std::string written = found == metadata.end() || found->second.empty() ? "0.1" : found->second;
  if (series(written) != series(version)) throw OtherVersion(path, written);
}

STRATA_DEFINE CheckpointContent read_checkpoint(const std::filesystem::path& path) {
  SafetensorsFile file(path);
  const Seal seal(file);
  CheckpointContent c{.path = path, .metadata = file.metadata(), .tensors = {}, .names = {}, .state = {}};
  const auto state = c.metadata.find(state_key);
  if (!seal.exists() || state == c.metadata.end())
    throw FileError(path, "not a checkpoint: expected the metadata " + std::string(state_key) + " and " + checksums_key);
  check_version(path, c.metadata);
  for (const SafetensorsEntry& t : file.tensors()) {
    std::vector<float> values = file.read<float>(t.name);
    seal.check(t.name, t.shape, values);
    c.names.push_back(t.name);
    c.tensors.emplace(t.name, std::pair(t.shape, std::move(values)));
  }
  seal.check_complete(file);
  c.state = StateReader(path, state->second).read();
  return c;
}

// Throws FileError with the first line in which the recipes differ.
STRATA_DEFINE void check_recipe(const std::filesystem::path& path, std::string_view found, std::string_view expected) {
  while (!found.empty() || !expected.empty())
    if (const std::string_view f = take_line(found), e = take_line(expected); f != e)
      throw FileError(
          path, "this checkpoint belongs to another run: \"" + std::string(f) + "\"; expected \"" + std::string(e) + "\"");
}

STRATA_DEFINE void check_fits(const CheckpointContent& c, const TrainingRun& run, const std::string& recipe) {
  const auto check = [&](const RunTensor& t) {
    const auto found = c.tensors.find(t.name);
    check_tensor(c.path, t.name, t.shape, found == c.tensors.end() ? nullptr : &found->second.first);
  };
  const auto text = [&](const char* key) {
    const auto found = c.metadata.find(key);
    return found == c.metadata.end() ? std::string() : found->second;
  };
  const std::span<const RunTensor> all(run.tensors);
  for (const RunTensor& t : all.first(run.weights)) check(t);
  for (const std::string& name : c.names)
    if (!of_training(name) && std::none_of(all.begin(), all.end(), [&](auto& t) { return t.name == name; }))
      throw FileError(c.path, "tensor " + name + " is not in this network");
  check_architecture(c.path, text("strata.architecture"), run.architecture);
  check_recipe(c.path, text(recipe_key), recipe);
  for (const RunTensor& t : all.subspan(run.weights)) check(t);
  if (c.names.size() != run.tensors.size())
    throw FileError(c.path, std::to_string(c.names.size()) + " tensors; expected " + std::to_string(run.tensors.size()));
  const TrainingState& s = c.state;
  const std::int64_t whole = updates_before(run.steps, run.accumulate);
  if (run.steps < 1 || s.step > run.steps || s.epoch - 1 > s.updates / whole ||
      s.updates != (s.epoch - 1) * whole + updates_before(s.step, run.accumulate) ||
      (s.step < run.steps && s.step % run.accumulate != 0))
    throw FileError(c.path, "step " + std::to_string(s.step) + " of epoch " + std::to_string(s.epoch) + " after " +
                                std::to_string(s.updates) + " updates; expected " + std::to_string(run.steps) +
                                " steps an epoch");
}

STRATA_DEFINE void check_not_beyond(const std::filesystem::path& path, const TrainingState& s, int epochs,
                                    std::int64_t max_steps) {
  const bool beyond = s.epoch > epochs && (s.epoch > epochs + 1 || s.step > 0);
  if (beyond || (max_steps > 0 && s.updates > max_steps))
    throw FileError(path, std::to_string(s.updates) + " updates, in epoch " + std::to_string(s.epoch) +
                              ", exceed the length of this run: " + std::to_string(epochs) + " epochs" +
                              (max_steps > 0 ? " of at most " + std::to_string(max_steps) + " steps" : ""));
}

STRATA_DEFINE void restore(const CheckpointContent& c, const TrainingRun& run) {
  for (const RunTensor& t : run.tensors) {
    const std::vector<float>& values = c.tensors.at(t.name).second;
    std::copy(values.begin(), values.end(), t.values.begin());
  }
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
