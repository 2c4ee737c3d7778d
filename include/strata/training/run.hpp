// SPDX-License-Identifier: BSL-1.0
// A run of train(): its recipe, its state, and the interface of checkpointers. Training knows no files; io/checkpoint.hpp
// has a checkpointer that writes them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/augment.hpp>
#include <strata/training/metrics.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI {

// How far a run is.
struct TrainingState {
  int epoch = 1;             // under way, from 1
  std::int64_t step = 0;     // steps of this epoch that are done; after the last one its validation comes
  std::int64_t updates = 0;  // of the whole run
  RunningMean loss{};        // of the epoch under way
  Accuracy accuracy{};
  double seconds = 0;
  std::vector<EpochRecord> history{};  // of the epochs before
};

// The epoch with the best validation accuracy, of equals the one with the lower loss, then the earlier; without accuracies
// (targets that are values) the one with the lowest loss. Null without validation.
[[nodiscard]] inline const EpochRecord* best_epoch(std::span<const EpochRecord> history) {
  const EpochRecord* best = nullptr;
  for (const EpochRecord& r : history) {
    if (!r.validation_loss) continue;
    const double a = r.validation_accuracy.value_or(0), most = best ? best->validation_accuracy.value_or(0) : 0;
    if (!best || a > most || (a == most && *r.validation_loss < *best->validation_loss)) best = &r;
  }
  return best;
}

struct RunTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<float> values;  // of the model, or of the optimizer
};

// What must be the same for a run to continue.
struct TrainingRun {
  // The model's, then the optimizer's memory, optimizer/<slot>/<tensor>, then the average of the weights, average/<tensor>.
  std::vector<RunTensor> tensors{};
  std::size_t weights = 0;     // number of the model's tensors
  std::string architecture{};  // architecture_fingerprint
  std::string summary{};
  std::string optimizer{};
  std::string loss{};
  int batch = 0;
  std::uint64_t seed = 0;
  Augment augment{};
  Normalize normalize{};
  double clip_norm = 0;
  std::vector<std::string> more{};                 // further lines of the recipe: parameter groups, reducer, average
  std::string training_data{}, validation_data{};  // data_fingerprint; "none"
  std::int64_t steps = 0;                          // of an epoch
  std::int64_t accumulate = 1;                     // steps of an update
  std::string kernels{};                           // the kernel path: with another one the last digits differ
  // Called before the tensors are written; throws std::logic_error if another process has a part of them. It may be empty.
  std::function<void()> check{};
};

namespace detail {

// Tensors of a checkpoint that do not belong to the network.
inline constexpr const char *optimizer_prefix = "optimizer/", *average_prefix = "average/";
[[nodiscard]] inline bool of_training(std::string_view name) {
  return name.starts_with(optimizer_prefix) || name.starts_with(average_prefix);
}
// The updates that a step of an epoch, from 0, comes after in its epoch: the last update of an epoch may be of fewer steps.
[[nodiscard]] constexpr std::int64_t updates_before(std::int64_t step, std::int64_t accumulate) {
  return (step + accumulate - 1) / accumulate;
}

}  // namespace detail

class Checkpointer : public Interface {
 public:
  // Restores the tensors of the newest checkpoint and returns its state; null if there is none. The run ends after
  // `epochs`, and after max_steps unless that is 0.
  virtual std::optional<TrainingState> resume(int epochs, std::int64_t max_steps) = 0;
  // The place of the checkpoint that was resumed or saved last, for messages.
  [[nodiscard]] virtual std::string where() const = 0;
  // Whether to save after this update of an epoch.
  [[nodiscard]] virtual bool due(std::int64_t updates) const = 0;
  virtual void save(const TrainingState& state) = 0;
  // The weights are the best so far (best_epoch()).
  virtual void save_best() = 0;
  // The values of the model's tensors that save_best() had last, in their order; empty if it was never called, or if they
  // are not kept. A resumed run with restore_best asks for them.
  [[nodiscard]] virtual std::vector<std::vector<float>> best() { return {}; }
  // The loss after this number of updates is NaN or infinite: a checkpoint of that state must not be resumed.
  virtual void set_aside(std::int64_t updates) = 0;
};

// Makes the checkpointer of a run, which resumes or begins.
using MakeCheckpointer = std::function<std::unique_ptr<Checkpointer>(TrainingRun run, bool resume)>;

}  // namespace strata::inline STRATA_ABI
