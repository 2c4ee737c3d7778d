// SPDX-License-Identifier: BSL-1.0
// One checkpoint: a safetensors file with everything that a run needs to continue as if it had never stopped. The model's
// tensors have their own names, the optimizer's are optimizer/<slot>/<tensor>, those of an average of the weights are
// average/<tensor>; the rest is metadata. Random numbers and the
// order of the images are functions of the seed and the step, so they need no state.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/io/safetensors_writer.hpp>
#include <strata/training/run.hpp>
#include <strata/util/file_error.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

std::vector<Tensor> tensors_of(const TrainingRun& run, std::size_t count);

void write_checkpoint(const std::filesystem::path& path, const TrainingRun& run, const std::string& recipe,
                      const TrainingState& state, std::map<std::string, std::string> metadata = {});

// The content of an undamaged file, of any run.
struct CheckpointContent {
  std::filesystem::path path;
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::pair<std::vector<std::int64_t>, std::vector<float>>> tensors;
  std::vector<std::string> names;  // in the order of the file
  TrainingState state;
};

// Another version wrote the checkpoint: it is not damaged, but it cannot be resumed.
class OtherVersion final : public FileError {
 public:
  OtherVersion(const std::filesystem::path& path, const std::string& written);
};

// Throws FileError if the file is damaged or not a checkpoint, OtherVersion if another version wrote it.
CheckpointContent read_checkpoint(const std::filesystem::path& path);

// Throws FileError if the checkpoint belongs to another network or run; names the first tensor that differs.
void check_fits(const CheckpointContent& c, const TrainingRun& run, const std::string& recipe);

void check_not_beyond(const std::filesystem::path& path, const TrainingState& s, int epochs, std::int64_t max_steps);

// Copies the numbers to the run's tensors. Call check_fits() before.
void restore(const CheckpointContent& c, const TrainingRun& run);

}  // namespace detail

// For loops of your own around a Trainer. `recipe` is any text that must be the same when the run continues; `steps` is the
// number of steps in an epoch. The file is written completely or not at all.
template <class Trainer_>
void save_checkpoint(Trainer_& trainer, const TrainingState& state, const std::filesystem::path& path, std::int64_t steps,
                     const std::string& recipe = {}) {
  trainer.drain([](const StepResult&) {});
  trainer.download();
  TrainingRun run = trainer.run();
  run.steps = steps;
  detail::write_checkpoint(path, run, recipe, state);
}
// Throws FileError if the file is damaged or does not fit, with the first tensor that differs; model and optimizer are then
// unchanged.
template <class Trainer_>
TrainingState load_checkpoint(Trainer_& trainer, const std::filesystem::path& path, std::int64_t steps,
                              const std::string& recipe = {}) {
  detail::CheckpointContent content = detail::read_checkpoint(path);
  trainer.drain([](const StepResult&) {});
  TrainingRun run = trainer.run();
  run.steps = steps;
  detail::check_fits(content, run, recipe);
  detail::restore(content, run);
  trainer.upload();
  trainer.continue_at(content.state.updates);
  std::vector<double> losses;
  for (const EpochRecord& r : content.state.history)
    if (r.validation_loss) losses.push_back(*r.validation_loss);
  trainer.validated(std::move(losses));
  return std::move(content.state);
}

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/io/checkpoint_file_impl.hpp>
#endif
