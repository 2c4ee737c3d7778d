// SPDX-License-Identifier: BSL-1.0
// A run of train(): what it is, where it stands, and who keeps it. Training knows no files; io/checkpoint.hpp is one
// keeper.
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

#include <strata/data/augment.hpp>
#include <strata/training/metrics.hpp>

namespace strata {

// Where a run is.
struct TrainingState {
  int epoch = 1;             // under way, from 1
  std::int64_t step = 0;     // so many of its steps are done; all of them: its validation is to come
  std::int64_t updates = 0;  // of the whole run
  RunningMean loss{};        // of the epoch under way
  Accuracy accuracy{};
  double seconds = 0;
  std::vector<EpochRecord> history{};  // of the epochs before
};

// The epoch with the best validation accuracy, of equals the one with the lower loss, then the earlier; null where there
// was no validation.
[[nodiscard]] inline const EpochRecord* best_epoch(std::span<const EpochRecord> history) {
  const EpochRecord* best = nullptr;
  for (const EpochRecord& r : history) {
    if (!r.validation_accuracy || !r.validation_loss) continue;
    if (!best || *r.validation_accuracy > *best->validation_accuracy ||
        (*r.validation_accuracy == *best->validation_accuracy && *r.validation_loss < *best->validation_loss))
      best = &r;
  }
  return best;
}

struct RunTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<float> values;  // of the model, or of the optimizer
};

// What a run is: whoever goes on with it has to find all of this as it was.
struct TrainingRun {
  std::vector<RunTensor> tensors{};  // the model's, then optimizer/<slot>/<tensor>: what the optimizer keeps
  std::size_t weights = 0;           // so many are the model's
  std::string architecture{};        // architecture_fingerprint
  std::string_view summary{};
  std::string optimizer{};
  std::string_view loss{};
  int batch = 0;
  std::uint64_t seed = 0;
  Augment augment{};
  Normalize normalize{};
  double clip_norm = 0;
  std::string training_data{}, validation_data{};  // data_fingerprint; "none"
  std::int64_t steps = 0;                          // of an epoch
  std::string kernels{};                           // what computes: with another the last digits differ
};

class RunKeeper {
 public:
  RunKeeper() = default;
  RunKeeper(const RunKeeper&) = delete;
  RunKeeper& operator=(const RunKeeper&) = delete;
  virtual ~RunKeeper() = default;

  // Puts tensors back to where they were kept last, and says where that was; null where nothing is kept. The run is to end
  // after `epochs`, and after max_steps unless that is 0.
  virtual std::optional<TrainingState> resume(int epochs, std::int64_t max_steps) = 0;
  // Of what was resumed or saved last, for people.
  [[nodiscard]] virtual std::string where() const = 0;
  // Whether to save after this update, within an epoch.
  [[nodiscard]] virtual bool due(std::int64_t updates) const = 0;
  virtual void save(const TrainingState& state) = 0;
  // The weights are the best so far (best_epoch()).
  virtual void save_best() = 0;
  // The loss after so many updates is NaN or infinite: what was saved there, if anything, is no state to go back to.
  virtual void set_aside(std::int64_t updates) = 0;
};

// Makes the keeper of a run, which is to go on from what is kept, or to begin.
using MakeKeeper = std::function<std::unique_ptr<RunKeeper>(TrainingRun run, bool resume)>;

}  // namespace strata
